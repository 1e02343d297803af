"""How well the response heuristics do on the labelled cases, by language and half.

Run it with ``python benchmarks/response_quality.py [--show tuning]``, ``plugins`` on the path. The cases
(``data/response_quality.jsonl``) were labelled by what is true of them before the heuristics were written; the half
``tuning`` was looked at while they were, the half ``held_back`` was not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kenshin.tracing.confusion import confusion_detected
from kenshin.tracing.finding import Finding
from kenshin.tracing.hallucination import hallucination_risk

CASES = Path(__file__).parent / "data" / "response_quality.jsonl"


def cases() -> Iterator[dict[str, Any]]:
    """The labelled cases."""
    with CASES.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def finding_of(case: dict[str, Any]) -> Finding:
    """What the heuristic finds in a case."""
    if case["task"] == "hallucination":
        return hallucination_risk(case["answer"], case["context"])
    return confusion_detected(case["messages"], case["answer"])


def share(part: int, whole: int) -> str:
    """A share to two digits; a dash where there is no whole."""
    return f"{part / whole:.2f}" if whole else "–"


def main() -> None:
    """Print the table; with ``--show``, what each misjudged case of a half had for evidence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", choices=["tuning", "held_back"])
    wanted = parser.parse_args()
    outcomes: dict[tuple[str, str, str], list[tuple[bool, bool]]] = {}
    for case in cases():
        finding = finding_of(case)
        outcome = (case["label"], finding.flagged)
        for language in (case["language"], "both"):
            outcomes.setdefault((case["task"], language, case["half"]), []).append(outcome)
        if wanted.show == case["half"] and finding.flagged != case["label"]:
            print(case["id"], case["label"], f"{finding.score:.2f}", case["note"])
            for sign in finding.evidence:
                print("   ", sign)
    print("| heuristic | language | half | cases | precision | recall | false alarms |")
    print("|---|---|---|---|---|---|---|")
    for (task, language, half), pairs in sorted(outcomes.items()):
        hits = sum(label and flagged for label, flagged in pairs)
        flagged = sum(flagged for _, flagged in pairs)
        truly = sum(label for label, _ in pairs)
        alarms = flagged - hits
        print(
            f"| {task} | {language} | {half} | {len(pairs)} | {share(hits, flagged)} | {share(hits, truly)} "
            f"| {alarms} of {len(pairs) - truly} |"
        )


if __name__ == "__main__":
    main()
