"""What the README shows must run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from peers.bedrock import BedrockPeer

from kenshin.current import use
from kenshin.experiments.api import create_experiment, flush_observations
from kenshin.runtime import Runtime
from kenshin.settings import Settings

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    settings = Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": "memory:"})
    runtime = Runtime(settings)
    names: dict[str, Any] = {}
    with BedrockPeer() as model, use(runtime):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", model.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-northeast-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "none")
        definition = {
            "experiment_id": "greeting-v2",
            "prompt_a_version": "greet-1.4",
            "prompt_b_version": "greet-2.0",
        }
        create_experiment(definition, start=True)
        exec(code, names)  # noqa: S102
        assert names["answer"]("4711", "How long do log groups keep events?")
        assert flush_observations() == 0
        assert runtime.recorder.flush() == 0
        day = runtime.clock().astimezone(runtime.settings.zone).date()
        stored = [runtime.observations.read("greeting-v2", day, shard).items for shard in range(16)]
    (sink,) = runtime.recorder.sinks
    assert sum(map(len, stored)) == 1
    assert sorted(record.record_type for record in sink.records) == [
        "bedrock_health",
        "budget_check",
        "prompt_trace",
        "usage_observed",
    ]
    assert len({record.trace_id for record in sink.records}) == 1


def test_every_setting_is_named():
    source = (ROOT / "plugins" / "kenshin" / "settings.py").read_text(encoding="utf-8")
    settings = set(re.findall(r'"(KENSHIN_[A-Z_]+)"', source))
    shown = README.replace(
        "`KENSHIN_AIRFLOW_URL`, `…_USER`, `…_PASSWORD`",
        "KENSHIN_AIRFLOW_URL KENSHIN_AIRFLOW_USER KENSHIN_AIRFLOW_PASSWORD",
    )
    assert {name for name in settings if name not in shown} == set()


def test_every_file_and_picture_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_cluster_passes_every_setting_on():
    source = (ROOT / "plugins" / "kenshin" / "settings.py").read_text(encoding="utf-8")
    cluster = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    settings = {name for name in re.findall(r'"(KENSHIN_[A-Z_]+)"', source) if "AIRFLOW" not in name}
    assert {name for name in settings if f"{name}:" not in cluster} == set()
