"""Names of experiments, indexes, arms and metrics, checked before they become a path or a key."""

from __future__ import annotations

import re
from functools import lru_cache

from kenshin.errors import InvalidName

PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""First a letter or digit, then letters, digits, dot, underscore, hyphen; at most 64 characters."""


def checked(name: object, *, what: str) -> str:
    """The name itself, if it is safe as a file name, a URL segment and a database key.

    Raises:
        InvalidName: it is not a string, is too long, or holds other characters.
    """
    if not isinstance(name, str) or not _is_safe(name):
        raise InvalidName(
            value=name,
            reason=f"not usable as the name of {what}",
            mend="Use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit, without '..'.",
        )
    return name


@lru_cache(maxsize=1024)
def _is_safe(name: str) -> bool:
    return PATTERN.fullmatch(name) is not None and ".." not in name
