"""Which script a text is in, as far as corrections of its estimate go by it."""

from __future__ import annotations

from typing import Literal, get_args

Script = Literal["latin", "japanese", "other"]
SCRIPTS: tuple[Script, ...] = get_args(Script)

LOOKED_AT = 64
_JAPANESE, _OTHER = b"j", b"o"
# By the upper byte of UTF-16: Latin up to U+02FF; kana, CJK signs and ideographs; everything else.
_CLASSES = b"l" * 3 + _OTHER * (0x30 - 3) + _JAPANESE * (0xA0 - 0x30) + _OTHER * (0x100 - 0xA0)


def script_of(text: str) -> Script:
    """Which corrections a prompt belongs to, from a look at 64 of its characters spread over it."""
    if text.isascii():
        return "latin"
    seen = text[:: max(1, len(text) // LOOKED_AT)]
    classes = seen.encode("utf-16-le", "surrogatepass")[1::2].translate(_CLASSES)
    japanese, other = classes.count(_JAPANESE), classes.count(_OTHER)
    if japanese * 4 < len(classes) and other * 4 < len(classes):
        return "latin"
    return "japanese" if japanese >= other else "other"
