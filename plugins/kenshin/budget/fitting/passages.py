"""The retrieved context taken apart into passages, and put together again in the form it came in.

The elements of a list are its passages. A text, or one block of text outside a list, is split at its blank lines; a
code fence is never split, and a heading stays with what follows it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kenshin.budget.content import read_content
from kenshin.budget.fitting.messages import is_text_block
from kenshin.budget.fitting.whitespace import MOST_SPANS, is_json, squeeze, verbatim

_BREAK = re.compile(r"\n(?:[ \t\r]*+\n)++")
_HEADING = re.compile(r"\s*#{1,6} [^\n]*")
BREAK = "\n\n"

MOST = 10_000
"""Passages that are looked at one by one; what a text has beyond them is one more, the rest."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage.

    Args:
        text: what it says; of an image nothing.
        value: the element as it was given; None where a text was split.
        after: what parts it from the next one in a split text.
        score: how well it answers, where it carries a finite ``score``.
        fixed: it is no passage but a cache mark, and stays.
        rest: it is what is beyond the passages that a text is split into. While it is there no other one is made
            shorter or compared, so that what is left of a text is split as it was.
    """

    text: str
    value: object = None
    after: str = ""
    score: float | None = None
    fixed: bool = False
    rest: bool = False

    def squeezed(self) -> Passage:
        """The same without white space that means nothing."""
        text = squeeze(self.text)
        after = BREAK if self.after else ""
        if self.value is None:
            return self if (text, after) == (self.text, self.after) else replace(self, text=text, after=after)
        if text == self.text:
            return self
        if isinstance(self.value, str):
            return replace(self, text=text, value=text)
        if isinstance(self.value, Mapping) and is_text_block(self.value):
            return replace(self, text=text, value={**self.value, "text": text})
        return self


@dataclass(frozen=True, slots=True)
class Context:
    """A retrieved context.

    Args:
        given: as the caller gave it.
        passages: in the order given.
    """

    given: object
    passages: tuple[Passage, ...]

    @classmethod
    def read(cls, given: object) -> Context:
        """Take a context apart.

        Raises:
            InvalidInput: it is no content.
        """
        if isinstance(given, str):
            return cls(given, tuple(_split(given)))
        if isinstance(given, Mapping) and is_text_block(given):
            return cls(given, tuple(_split(str(given["text"]))))
        if isinstance(given, Sequence) and not isinstance(given, bytes | bytearray | memoryview):
            return cls(given, tuple(map(_element, given)))
        return cls(given, ())

    @property
    def split(self) -> bool:
        """Whether the passages are parts of one text."""
        return isinstance(self.given, str | Mapping)

    def built(self, passages: Sequence[Passage]) -> object:
        """Some of the passages in the form given.

        A block without text becomes an empty list, and a cache mark before which nothing is left goes, since the
        APIs take neither.
        """
        if tuple(passages) == self.passages or not self.passages:
            return self.given
        if not self.split:
            kept = list(passages)
            while kept and kept[0].fixed and not self.passages[0].fixed:
                del kept[0]
            values = [passage.value for passage in kept]
            return tuple(values) if isinstance(self.given, tuple) else values
        text = self.joined(passages)
        if isinstance(self.given, Mapping):
            return {**self.given, "text": text} if text else []
        return text

    def joined(self, passages: Sequence[Passage]) -> str:
        """Parts of a split text as one text again; what parted the last from a removed one is left out."""
        parts = [part for passage in passages for part in (passage.text, passage.after)]
        return "".join(parts[:-1])


def ranked(passages: Mapping[int, Passage]) -> list[int]:
    """Places from the least to the most worth: by score where all passages carry one, else the last given first."""
    scores = {place: passage.score for place, passage in passages.items()}
    if all(score is not None for score in scores.values()):
        return sorted(scores, key=lambda place: (scores[place], -place))
    return sorted(scores, reverse=True)


def _split(text: str) -> Iterator[Passage]:
    if is_json(text.strip()):
        yield Passage(text)
        return
    spans = list(verbatim(text))
    upcoming, looked = iter(spans), 0
    span = next(upcoming, None)
    start = since = 0
    headed = False
    for found in _BREAK.finditer(text):
        first, last = found.span()
        while span and span[1] <= first:
            span = next(upcoming, None)
        if (span and span[0] < first) or last == len(text):
            continue
        if looked == MOST:
            break
        said, since, looked = text[since:first], last, looked + 1
        if not headed and _HEADING.fullmatch(said):
            headed = True
        elif said.strip():
            yield Passage(text[start:first], after=found.group())
            start, headed = last, False
    if start < len(text):
        yield Passage(text[start:], rest=looked == MOST or len(spans) > MOST_SPANS)


def _element(value: object) -> Passage:
    block = value if isinstance(value, Mapping) else {}
    read = read_content(value)
    return Passage(
        text="\n".join(read.texts),
        value=value,
        score=_finite(block.get("score")),
        fixed=not read.texts and not read.image_tokens,
    )


def _finite(score: object) -> float | None:
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    try:
        return float(score) if math.isfinite(score) else None
    except OverflowError:
        return None
