"""Weights: the corrections of all models and scripts as the nightly fit left them, a document with the registry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from kenshin.budget.calibration import LARGEST_SHIFT, Correction
from kenshin.budget.script import SCRIPTS, Script
from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    from kenshin.documents import Documents

KEY = "token-calibration"

Corrections = Mapping[tuple[str, Script], Correction]


@dataclass(frozen=True, slots=True)
class Weights:
    """What is in force.

    Args:
        through_day: last day whose usage was fitted; None: nothing was fitted yet.
        corrections: by model name and script.
        replaced: the corrections that these took the place of, against which a rerun of the day judges again.
    """

    through_day: date | None = None
    corrections: Corrections = field(default_factory=dict)
    replaced: Corrections = field(default_factory=dict)

    def before(self, day: date) -> Corrections:
        """What was in force when a day was fitted first."""
        return self.replaced if self.through_day == day else self.corrections

    def as_document(self) -> dict[str, object]:
        """The same, JSON-ready."""
        return {
            "through_day": self.through_day.isoformat() if self.through_day else None,
            "corrections": rows_of(self.corrections),
            "replaced": rows_of(self.replaced),
        }

    @classmethod
    def from_document(cls, body: Mapping[str, object]) -> Weights:
        """Read a document.

        Raises:
            InvalidInput: it is none.
        """
        day = body.get("through_day")
        try:
            through = date.fromisoformat(day) if isinstance(day, str) else None
        except ValueError:
            raise _malformed(day) from None
        return cls(through, corrections_of(body.get("corrections")), corrections_of(body.get("replaced")))


def read_weights(documents: Documents) -> tuple[Weights, int | None]:
    """The weights in force and their version; no weights and None where nothing was fitted yet.

    Raises:
        InvalidInput: the document is none.
    """
    found = documents.get(KEY)
    return (Weights(), None) if found is None else (Weights.from_document(found.value), found.version)


def rows_of(corrections: Corrections) -> list[dict[str, object]]:
    """Corrections as JSON-ready rows, sorted."""
    return [
        {
            "model": model,
            "script": script,
            "calls": each.calls,
            "shift": each.shift,
            "variance": each.variance,
        }
        for (model, script), each in sorted(corrections.items())
    ]


def corrections_of(rows: object) -> dict[tuple[str, Script], Correction]:
    """The reverse of `rows_of`.

    Raises:
        InvalidInput: a row is no correction.
    """
    if not isinstance(rows, list):
        raise _malformed(rows)
    found: dict[tuple[str, Script], Correction] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            raise _malformed(row)
        model, script, calls = row.get("model"), row.get("script"), row.get("calls")
        shift, variance = _number(row.get("shift")), _number(row.get("variance"))
        if not isinstance(model, str) or script not in SCRIPTS or not isinstance(calls, int) or calls < 1:
            raise _malformed(row)
        if abs(shift) > LARGEST_SHIFT or not 0 <= variance <= LARGEST_SHIFT**2:
            raise _malformed(row)
        found[model, script] = Correction(calls, shift, variance)
    return found


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _malformed(value)
    return float(value)


def _malformed(value: object) -> InvalidInput:
    return InvalidInput(
        value=value,
        reason=f"the document '{KEY}' does not hold corrections",
        mend="Drop it and fit anew: kenshin budget reset.",
    )
