from __future__ import annotations

from kenshin.current import use
from kenshin.runtime import Runtime
from kenshin.settings import Settings


def test_the_embedded_default_answers_everywhere(kenshin):
    answer = kenshin("doctor", "--json")
    found = {row["port"]: row for row in answer.json}
    assert answer.code == 0
    assert {port: row["answers"] for port, row in found.items()} == {
        "experiments": "yes",
        "ledger": "yes",
        "observations": "yes",
        "index": "empty",
        "embedder": "yes",
        "lake": "yes",
        "signals": "yes",
        "airflow": "not running",
    }
    assert found["lake"]["backend"] == "kenshin.backends.local.lake.FileLake"


def test_a_url_that_nothing_serves_is_named_with_its_mend(kenshin, tmp_path):
    broken = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_LAKE": "gopher://x"}))
    with use(broken):
        answer = kenshin("doctor", "--json")
    (row,) = [row for row in answer.json if row["port"] == "lake"]
    assert answer.code == 1
    assert row["answers"] == "no"
    assert "Known schemes of lake: file" in row["detail"]
