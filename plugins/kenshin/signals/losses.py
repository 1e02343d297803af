"""What the signals say of themselves: records that were lost, dimension values that were folded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from kenshin.signals.record import Logged

LossReason = Literal["queue_full", "closed", "sink"]


@dataclass(frozen=True, slots=True)
class RecordsLost(Logged):
    """Records that did not reach a sink since it was last told so.

    Args:
        at: when it was told.
        sink: which sink.
        reason: ``queue_full``: it was too slow; ``sink``: it could not take them; ``closed``: they came too late.
        lost: how many.
    """

    record_type: ClassVar[str] = "signals_lost"

    at: datetime
    sink: str
    reason: LossReason
    lost: int


@dataclass(frozen=True, slots=True)
class DimensionFolded(Logged):
    """Values of a dimension that came after its cap was reached, since it was last told so.

    Args:
        at: when it was told.
        dimension: which dimension.
        folded: how many records had such a value.
        cap: how many distinct values the dimension may have.
        example: one of the values, cut.
    """

    record_type: ClassVar[str] = "dimension_folded"

    at: datetime
    dimension: str
    folded: int
    cap: int
    example: str
