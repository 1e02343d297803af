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
    ("task", "half", "precision", "recall"),
    [
        ("hallucination", "tuning", 1.0, 0.94),
        ("hallucination", "held_back", 0.88, 0.83),
        ("confusion", "tuning", 1.0, 0.94),
        ("confusion", "held_back", 0.92, 0.72),
    ],
)
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
