"""Numbers as people read them: three figures, a true minus sign, a dash for what there is none of."""

from __future__ import annotations

import math

NONE = "–"


def plain(value: float | None, figures: int = 3) -> str:
    """A number to some significant figures; whole ones and large ones with thousands told apart."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    places = max(0, figures - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(places, 10)}f}".replace("-", "−")


def signed(value: float | None, figures: int = 3) -> str:
    """The same with its sign."""
    text = plain(value, figures)
    return f"+{text}" if value is not None and value > 0 and text != NONE else text


def count(value: int | None) -> str:
    """A count, with thousands told apart."""
    return NONE if value is None else f"{value:,}"


def percent(value: float | None, places: int = 1) -> str:
    """A share."""
    return NONE if value is None else f"{value:.{places}%}".replace("-", "−").replace("%", "\u00a0%")


def signed_percent(value: float | None, places: int = 1) -> str:
    """A relative change, with its sign."""
    return NONE if value is None else f"{value:+.{places}%}".replace("-", "−").replace("%", "\u00a0%")


def interval(low: float | None, high: float | None) -> str:
    """From where to where, both to as many places as the larger one needs."""
    if low is None or high is None:
        return NONE
    largest = max(abs(low), abs(high))
    places = max(0, 2 - math.floor(math.log10(largest))) if largest else 0
    return " to ".join(f"{end:+,.{min(places, 10)}f}".replace("-", "−") for end in (low, high))


def percent_interval(low: float | None, high: float | None) -> str:
    """From which relative change to which; a side without an end is open."""
    if low is None and high is None:
        return NONE
    if high is None:
        return f"from {signed_percent(low)}"
    return (
        f"up to {signed_percent(high)}" if low is None else f"{signed_percent(low)} to {signed_percent(high)}"
    )
