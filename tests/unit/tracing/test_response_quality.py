from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from kenshin.tracing.confusion import confusion_detected
from kenshin.tracing.hallucination import hallucination_risk

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "benchmarks/data/response_quality.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


def test_the_labelled_set_is_balanced():
    assert len({case["id"] for case in CASES}) == len(CASES)
    cells = Counter((case["task"], case["language"], case["half"], case["label"]) for case in CASES)
    assert len(cells) == 16
    assert min(cells.values()) >= 8


@pytest.mark.parametrize(
    ("task", "precision", "recall"), [("hallucination", 0.8, 0.75), ("confusion", 0.8, 0.6)]
)
@pytest.mark.parametrize("half", ["tuning", "held_back"])
def test_the_heuristics_are_no_worse_than_the_documentation_says(task, precision, recall, half):
    pairs = [
        (
            case["label"],
            hallucination_risk(case["answer"], case["context"]).flagged
            if task == "hallucination"
            else confusion_detected(case["messages"], case["answer"]).flagged,
        )
        for case in CASES
        if (case["task"], case["half"]) == (task, half)
    ]
    hits = sum(label and flagged for label, flagged in pairs)
    assert hits / sum(flagged for _, flagged in pairs) >= precision
    assert hits / sum(label for label, _ in pairs) >= recall
