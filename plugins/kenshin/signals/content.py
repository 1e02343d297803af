"""What may be said of prompts and answers: by default nothing; where capture is switched on, redacted and cut.

Redaction goes by patterns. It catches what has a form (keys, tokens, addresses, card and phone numbers), not names or
stories: who captures content decides so in full knowledge of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kenshin.signals.record import Record

ERROR_LIMIT = 200
DEFAULT_LIMIT = 2000
_SLACK = 300
"""So much beyond the limit is looked at, lest a secret that the cut would halve goes unrecognised."""


@dataclass(frozen=True, slots=True)
class ContentPolicy:
    """Whether texts leave the process, and how much of them.

    Args:
        capture: whether they do at all.
        limit: at most so many characters of each.
    """

    capture: bool = False
    limit: int = DEFAULT_LIMIT

    def applied(self, record: Record) -> Record:
        """The record as it may leave the process: without content, or with its content redacted and cut."""
        content: Mapping[str, Any] | None = getattr(record, "content", None)
        if content is None:
            return record
        allowed = (
            {name: cut(str(text), self.limit) for name, text in content.items()} if self.capture else None
        )
        return replace(record, content=allowed)  # type: ignore[type-var]


def cut(text: str, limit: int) -> str:
    """The text's beginning, redacted; an ellipsis at its end says that there was more."""
    redacted = redact(text[: limit + _SLACK])
    if len(text) > limit + _SLACK or len(redacted) > limit:
        return redacted[: max(limit - 1, 0)] + "…"
    return redacted


def error_text(error: BaseException) -> str:
    """An exception as signals tell it: its type and its message, redacted and cut to 200 characters."""
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be read"
    kind = type(error).__name__
    return cut(f"{kind}: {message}" if message else kind, ERROR_LIMIT)


def redact(text: str) -> str:
    """The text with everything that looks like a secret or a person's number replaced by its kind in brackets."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _card(match: re.Match[str]) -> str:
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return "[card]" if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]


# Quantifiers are bounded, so that no text takes more than linear time.
_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,4000}?(?:-----END|\Z)", re.DOTALL),
        "[private-key]",
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[aws-key]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,2000}(?:\.[A-Za-z0-9_-]{0,2000}){0,2}"), "[token]"),
    (re.compile(r"\b(bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{8,2000}", re.IGNORECASE), r"\1 [secret]"),
    (
        re.compile(
            r"(password|passwd|secret(?:[_-]?access)?(?:[_-]?key)?|api[_-]?key|(?:access|session|auth)[_-]?token)"
            r"([\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s\"',;&]{3,2000}",
            re.IGNORECASE,
        ),
        r"\1\2[secret]",
    ),
    (re.compile(r"://[^/\s:@]{1,200}:[^/\s@]{1,200}@"), "://[secret]@"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"), "[email]"),
    (re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])"), _card),
    (re.compile(r"(?<![\w.-])(?:\+\d(?:[ -]?\d){7,14}|0\d{1,4}-\d{1,4}-\d{3,4})(?![\w-])"), "[phone]"),
)
