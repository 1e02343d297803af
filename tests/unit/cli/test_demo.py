from __future__ import annotations

import json
from datetime import timedelta

import pytest

from kenshin.days import day_of


@pytest.fixture
def include(tmp_path, request):
    """The samples' definitions with a small corpus, so that the test takes seconds."""
    source = request.config.rootpath / "include"
    folder = tmp_path / "include"
    for name in ("experiments/star-class-size.json", "corpora/operations.json"):
        (folder / name).parent.mkdir(parents=True)
        body = json.loads((source / name).read_text())
        if "count" in body:
            body = {**body, "count": 20, "services": ["sqs", "sns"], "long": {**body["long"], "count": 0}}
            body["damage"]["parts"] = [{"kind": "zero", "count": 1}, {"kind": "variant", "share": 0.1}]
        (folder / name).write_text(json.dumps(body))
    return folder


def test_loading_twice_changes_nothing(kenshin, runtime, include):
    first = kenshin("demo", "load", "--include", include, "--json")
    assert first.code == 0, first.err
    assert (first.json["observations"], first.json["documents"]) == (3745, 20)
    yesterday = day_of(runtime.clock(), runtime.settings.zone) - timedelta(days=1)
    assert first.json["through_day"] == yesterday.isoformat()
    # On a later day the nights stay where they were: the same pupils are not counted on other days again.
    later = kenshin(
        "demo", "load", "--include", include, "--last-day", yesterday + timedelta(days=3), "--json"
    )
    assert later.json == first.json
    assert [each.value.experiment_id for each in runtime.experiments.list()] == ["star-class-size"]


def test_a_missing_definition_says_where_to_look(kenshin, tmp_path):
    answer = kenshin("demo", "load", "--include", tmp_path)
    assert answer.code == 2
    assert "--include" in answer.err
