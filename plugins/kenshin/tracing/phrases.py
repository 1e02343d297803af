"""Phrases by which people and models say that they do not follow each other, in English and Japanese.

They are looked for in NFKC form and lower case, anywhere in a text. An apology alone is none of them: shops apologise
for what is sold out.
"""

from __future__ import annotations

import re


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


LOST = _any_of(
    r"not (?:quite |entirely |really )?(?:sure|certain) (?:that )?(?:i|what|which)",
    r"(?:don't|do not|didn't|can't|cannot|couldn't) (?:quite |fully )?(?:understand|follow|tell what|make sense)",
    r"trouble (?:following|understanding)",
    r"(?:could|can|would) you (?:please )?(?:rephrase|clarify|explain what you mean)",
    r"what (?:exactly )?do you mean",
    r"misread|misunderst",
    r"for the confusion",
    r"(?:意味|意図|内容|ご質問|お話)[がをは]?[^。]{0,8}(?:わかり|分かり|理解|つかめ)[^。]{0,4}(?:ません|かね|ておりません)",
    r"(?:わかり|分かり|理解でき)かねます",
    r"理解でき(?:ません|ておりません|ず)",
    r"(?:もう一度|改めて|詳しく)(?:お聞かせ|おっしゃ|ご説明|お教え)",
    r"混乱(?:させ|して)",
    r"どういう(?:意味|こと)でしょうか",
)
"""The model says that it does not follow."""

EVASIVE = _any_of(
    r"(?:it's|it is) (?:hard|difficult) to say",
    r"i (?:really )?(?:don't|do not) know",
    r"どちらとも(?:言|い)え",
    r"なんとも(?:言|い)え|何とも(?:言|い)え",
)
"""It says that it cannot say."""

CORRECTING = _any_of(
    r"\bi mean[, ]|\bi meant\b",
    r"^no[,.! ]|\bnot what i\b|\bthat's not\b|\bthat is not\b",
    r"\bi (?:already )?(?:asked|said|told)\b|\byou said that\b|\balready said\b",
    r"(?:doesn't|does not|didn't|did not) answer",
    r"\bas i said\b|\bi repeat\b|\bonce again\b",
    r"\byes,? but\b|\bright,? but\b",
    r"^だから|^いや[、,]|^違い?ます|^違う",
    r"(?:そう|それ)(?:では|じゃ)な(?:く|い)",
    r"(?:答え|回答)に(?:なって|なら)",
    r"って(?:言い|いい|聞き)ました|と(?:言い|聞き)ました|と聞いて(?:い|る)",
    r"(?:さっき|先ほど|すでに)[^。]{0,6}(?:言|聞|伝)",
)
"""The user puts right what was understood."""

PUZZLED = _any_of(
    r"\bi (?:don't|do not) (?:understand|get it)\b|\bi'm (?:lost|confused)\b",
    r"\bwhat do you mean\b|\bwait,? what\b|\bhuh\b",
    r"^え[?、っー]",
    r"(?:よく)?(?:わかり|分かり)ません|意味がわから|意味が分から",
    r"どういう(?:意味|こと)",
    r"\?{2,}|!\?",
)
"""The user does not follow."""
