"""White space that says nothing, taken out of a text; where it means something it stays.

Left alone are code fences, ``<pre>`` and its like, indentation, indented code, quoted strings, inline code, and lines
whose gaps stand in columns. A text that is JSON as a whole loses the white space between its tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice

_VERBATIM = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n`]*(?:\n.*?(?:^ {0,3}(?P=fence)[`~]*[ \t\r]*$|\Z)|\Z)"
    r"|<(?P<tag>pre|code|script|style|textarea)\b.*?(?:</(?P=tag)\s*>|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_GAP_OUTSIDE_QUOTES = re.compile(r'("[^"]*"|`[^`]*`)|(?<=\S)( ) +(?=\S)')
_JSON_SPACE = re.compile(r'("(?:[^"\\]++|\\.)*+")|[ \t\r\n]+')
_LINE_ENDS = re.compile(r"(?<![ \t\r])[ \t\r]++(?=\n)")
_BLANK_LINES = re.compile(r"\n{3,}")
MOST_SPANS, MOST_GAPS = 10_000, 50_000
"""Verbatim parts that are told apart in a text; gaps, and lines, of a stretch in which gaps are narrowed."""

_ENDS = {"{": "}", "[": "]"}


def squeeze(text: str, *, prose: bool = True) -> str:
    """A text without the white space that means nothing; never empty unless it was.

    Args:
        text: any.
        prose: also narrow gaps inside lines; off for what tools print.
    """
    bare = text.strip()
    if not bare:
        return text
    if is_json(bare):
        return _JSON_SPACE.sub(r"\1", bare)
    parts, start = list[str](), 0
    for first, last in verbatim(text):
        parts += [_tightened(text[start:first], prose=prose, first=not start, last=False), text[first:last]]
        start = last
    parts.append(_tightened(text[start:], prose=prose, first=not start, last=True))
    return "".join(parts)


def verbatim(text: str) -> Iterator[tuple[int, int]]:
    """Where a text has code fences and elements whose white space counts, as spans in order.

    After `MOST_SPANS` of them the rest of the text is one more.
    """
    for number, found in enumerate(_VERBATIM.finditer(text)):
        if number == MOST_SPANS:
            yield found.start(), len(text)
            return
        yield found.span()


def is_json(text: str) -> bool:
    """Whether the whole of a text, without space around it, is a JSON object or array."""
    if _ENDS.get(text[:1]) != text[-1:]:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _tightened(text: str, *, prose: bool, first: bool, last: bool) -> str:
    """A stretch without verbatim parts; `first` and `last` tell whether it begins and ends the text."""
    if last:
        text = text.rstrip(" \t\r\n")
    text = _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", text))
    if first:
        text = text.lstrip("\n")
    if prose and "  " in text and not _many_gaps(text):
        return "\n".join(_narrowed(text.split("\n")))
    return text


def _many_gaps(text: str) -> bool:
    return (
        text.count("\n") >= MOST_GAPS or next(islice(_GAP.finditer(text), MOST_GAPS, None), None) is not None
    )


def _narrowed(lines: Sequence[str]) -> list[str]:
    """Lines whose inner gaps are one space wide, unless they stand in the same columns as a neighbour's."""
    columns = [_columns(line) for line in lines]
    narrowed = list(lines)
    for index, gaps in enumerate(columns):
        above = columns[index - 1] if index else frozenset()
        below = columns[index + 1] if index + 1 < len(columns) else frozenset()
        line = lines[index]
        if not gaps or gaps & above or gaps & below or "\t" in line or '\\"' in line:
            continue
        narrowed[index] = _GAP_OUTSIDE_QUOTES.sub(r"\1\2", line)
    return narrowed


def _columns(line: str) -> frozenset[int]:
    if "  " not in line or line.startswith("    "):
        return frozenset()
    return frozenset(found.end() for found in _GAP.finditer(line))
