"""The guard of dimensions: makes values fit CloudWatch and caps how many distinct ones there are.

CloudWatch bills every combination of dimension values, so one request parameter that finds its way into an intent can
cost more than the service that it describes. The first values of a dimension are kept, later ones become ``(other)``,
and the guard says how many records that met. Its memory is bounded by the cap.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kenshin.signals.losses import DimensionFolded

logger = logging.getLogger(__name__)

OTHER = "(other)"
NONE = "(none)"
LONGEST = 200
DEFAULT_CAP = 100


@dataclass(slots=True)
class _Fold:
    reported: int = 0
    folded: int = 0
    example: str = ""


class DimensionGuard:
    """Answers the value under which a dimension is published.

    A guard belongs to one sink, whose calls come one at a time; it has no lock of its own.

    Args:
        cap: how many distinct values a dimension may have in this process.
    """

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self._cap = cap
        self._values: dict[str, dict[str, str]] = {}
        self._folds: dict[str, _Fold] = {}

    def value(self, dimension: str, raw: object) -> str:
        """The value as it may be published: known, newly admitted, or ``(other)``."""
        text = raw[:LONGEST] if type(raw) is str else str(raw)[:LONGEST]
        known = self._values.get(dimension)
        if known is None:
            known = self._values[dimension] = {}
        found = known.get(text)
        if found is not None:
            return found
        if len(known) < self._cap:
            known[text] = cleaned = clean(text)
            return cleaned
        self._fold(dimension, text)
        return OTHER

    def reports(self, at: datetime) -> Sequence[DimensionFolded]:
        """One record for each dimension that had values folded since the last call.

        Args:
            at: the instant of the records, aware.
        """
        records = []
        for dimension, fold in self._folds.items():
            if fold.folded > fold.reported:
                count, fold.reported = fold.folded - fold.reported, fold.folded
                records.append(DimensionFolded(at, dimension, count, self._cap, fold.example))
        return records

    def _fold(self, dimension: str, text: str) -> None:
        fold = self._folds.get(dimension)
        if fold is None:
            fold = self._folds[dimension] = _Fold(example=clean(text))
            logger.warning(
                "Dimension %s has more than %d values: %r and later new ones are published as %s",
                dimension,
                self._cap,
                fold.example,
                OTHER,
            )
        fold.folded += 1


def clean(text: str) -> str:
    r"""A text as CloudWatch takes it for a dimension: printable ASCII, not blank, at most 200 characters.

    Other characters are written as Python escapes (``\u5546``), so that different values stay different.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(
            char if char.isascii() and char.isprintable() else char.encode("unicode_escape").decode("ascii")
            for char in text
        )
    return text.strip()[:LONGEST] or NONE
