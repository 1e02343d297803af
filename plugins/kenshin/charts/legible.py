"""Legible text: what somebody wrote, such as a segment's name, without what a picture cannot hold."""

from __future__ import annotations

import re

_ILLEGIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What XML does not know; the renderer ends the whole process on it."""


def legible(text: str, *, longest: int | None = None) -> str:
    """The text with a space for each illegible character, cut to `longest` characters."""
    clean = _ILLEGIBLE.sub(" ", text)
    return clean if longest is None or len(clean) <= longest else clean[: longest - 1] + "…"
