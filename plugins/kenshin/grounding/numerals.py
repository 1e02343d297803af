"""Numbers as English and Japanese write them, in one form: digits, without leading zeros or separators.

Texts are to be in Unicode's NFKC form, which makes full-width digits ordinary ones. 万, 億 and 千 are multiplied out
(1億2000万 is 120000000), 割 is a tenth in percent, a year of 令和 or 平成 is a year of the common era.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

Unit = Literal["", "money", "percent", "metric", "hour", "day", "week", "month", "year"]

_UNIT_PATTERNS: dict[Unit, str] = {
    "money": r"円|ドル|yen\b|JPY|USD|dollars?\b",
    "percent": r"%|パーセント|percent\b|割",
    "metric": r"(?:mm|cm|km|m|mg|kg|g|ml|l)(?![A-Za-z])|ミリ|センチ|メートル|キロ|グラム",
    "hour": r"時間|hours?\b",
    "day": r"日|days?\b",
    "week": r"週|weeks?\b",
    "month": r"[かヶカケ箇]月|months?\b",
    "year": r"年|years?\b",
}
_UNITS = [(unit, re.compile(pattern, re.IGNORECASE)) for unit, pattern in _UNIT_PATTERNS.items()]
_NUMBER = re.compile(
    r"(?P<money>[¥$€£]\s?)?"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.(?P<fraction>[0-9]+))?"
    r"(?P<zeros>\s?[千万億])?"
    rf"(?:\s?(?P<unit>{'|'.join(_UNIT_PATTERNS.values())}))?",
    re.IGNORECASE,
)
_ZEROS = {"千": 3, "万": 4, "億": 8}
_TIMES = re.compile(r"\s?[x×]\s?", re.IGNORECASE)
_ERA = re.compile(r"(令和|平成)\s?([0-9]{1,2}|元)年")
_ERAS = {"令和": 2018, "平成": 1988}
_AFTERNOON = re.compile(r"(?:午後|夜)\s?([0-9]{1,2})時|([0-9]{1,2})(?::[0-9]{2})?\s?p\.?m\b", re.IGNORECASE)
_KANJI = re.compile(
    r"(?<![0-9])(?P<first>[〇一二三四五六七八九十百千])(?P<rest>[〇一二三四五六七八九十百千万]{0,12})(?P<counter>.?)"
)
_DIGITS = {kanji: digit for digit, kanji in enumerate("〇一二三四五六七八九")}
_TENS = {"十": 10, "百": 100, "千": 1000}
_COUNTERS = frozenset("巻冊円話部頁年月日枚点割")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_ANY_MONTH = re.compile(rf"(?<![a-z])({_MONTH})(?![a-z])", re.IGNORECASE)
_DATED_MONTH = re.compile(
    rf"(?<![a-z])({_MONTH})\.?\s{{1,2}}[0-9]{{1,2}}(?![0-9])"
    rf"|(?<![0-9])[0-9]{{1,2}}(?:st|nd|rd|th)?\s{{1,2}}(?:of\s)?({_MONTH})(?![a-z])",
    re.IGNORECASE,
)
_WORDS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "dozen": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20",
    "thirty": "30", "first": "1", "second": "2", "third": "3",
}  # fmt: skip
_WORD = re.compile(
    rf"(?<![a-z])({'|'.join(_WORDS)})(?![a-z])(?:\s(hour|day|week|month|year))?|(half|半額|半分)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text.

    Args:
        digits: its one form.
        unit: what it counts, as far as that matters here.
        text: as written.
        start: where it stands.
        also: other forms that mean the same, e.g. the hour on a clock of twelve.
    """

    digits: str
    unit: Unit
    text: str
    start: int
    also: tuple[str, ...] = ()


def canonical(whole: str, fraction: str = "", zeros: int = 0) -> str:
    """The one form of a number.

    Args:
        whole: digits before the point, with or without separators.
        fraction: digits after it.
        zeros: powers of ten that it is multiplied by.
    """
    digits = whole.replace(",", "") + fraction[:zeros].ljust(zeros, "0")
    rest = fraction[zeros:].rstrip("0")
    return (digits.lstrip("0") or "0") + (f".{rest}" if rest else "")


def numbers(text: str) -> Iterator[Number]:
    """The numbers of a text written in digits, in order; those of 億, 万 and 千 that follow each other as one."""
    afternoons = {found.start(1 if found[1] else 2) for found in _AFTERNOON.finditer(text)}
    eras = {found.start(2): _ERAS[found[1]] for found in _ERA.finditer(text)}
    groups: list[list[re.Match[str]]] = []
    for found in _NUMBER.finditer(text):
        if groups and found.start() == (last := groups[-1][-1]).end() and _power(last) > _power(found):
            groups[-1].append(found)
        else:
            groups.append([found])
    made: list[Number] = []
    unit: Unit = ""
    after = len(text)
    for group in reversed(groups):
        # In "42 x 30 cm" the first number has the unit of the second.
        shared = unit if _TIMES.fullmatch(text[group[-1].end() : after]) else ""
        number = _number(group, afternoons, eras, shared)
        unit, after = number.unit, group[0].start()
        made.append(number)
    return reversed(made)


def kanji_numbers(text: str, *, counted: bool) -> Iterator[Number]:
    """The numbers of a text written in kanji.

    Args:
        text: in NFKC form.
        counted: only those that a counter follows (十二巻), and not 一, which is part of many words.
    """
    for found in _KANJI.finditer(text):
        written, counter = found["first"] + found["rest"], found["counter"]
        value = _kanji(written)
        if counted and (counter not in _COUNTERS or counter == "" or value < 2):
            continue
        unit: Unit = "money" if counter == "円" else ""
        yield Number(str(value), unit, written + (counter if counted else ""), found.start())


def months(text: str, *, dated: bool) -> Iterator[Number]:
    """The months of a text by their English names, as numbers.

    Args:
        text: in NFKC form.
        dated: only those with a day beside them, so that "may" stays a verb.
    """
    pattern = _DATED_MONTH if dated else _ANY_MONTH
    for found in pattern.finditer(text):
        name = next(group for group in found.groups() if group)
        yield Number(str(_MONTHS.index(name[:3].casefold()) + 1), "", name, found.start())


def words(text: str) -> Iterator[Number]:
    """The numbers that stand in a text as English words; a half, and half the price, are 50 percent."""
    for found in _WORD.finditer(text):
        if found[3]:
            yield Number("50", "percent", found[0], found.start())
        else:
            unit = cast(Unit, (found[2] or "").casefold())
            yield Number(_WORDS[found[1].casefold()], unit, found[0], found.start())


def _power(found: re.Match[str]) -> int:
    return _ZEROS.get((found["zeros"] or "").strip(), 0)


def _number(parts: list[re.Match[str]], afternoons: set[int], eras: dict[int, int], shared: Unit) -> Number:
    last = parts[-1]
    written = "".join(part[0] for part in parts).strip()
    name = last["unit"] or ""
    unit: Unit = "money" if parts[0]["money"] else (_unit(name) or shared)
    forms = [canonical(part["whole"], part["fraction"] or "", _power(part)) for part in parts]
    digits = forms[0] if len(forms) == 1 else _added(forms)
    start = parts[0].start("whole")
    also: tuple[str, ...] = ()
    if name == "割":
        digits, also = canonical(last["whole"], last["fraction"] or "", 1), (digits,)
    elif start in eras:
        digits, also = str(eras[start] + int(digits)), (digits,)
    elif start in afternoons and int(digits) < 12:
        digits, also = str(int(digits) + 12), (digits,)
    return Number(digits, unit, written, start, also)


@lru_cache(maxsize=256)
def _unit(name: str) -> Unit:
    return next((unit for unit, pattern in _UNITS if name and pattern.fullmatch(name)), "")


def _added(forms: list[str]) -> str:
    if any(len(form) > 15 or "." in form for form in forms):
        return forms[0]
    return str(sum(int(form) for form in forms))


def _kanji(written: str) -> int:
    total = section = digit = 0
    for char in written:
        if char in _DIGITS:
            digit = digit * 10 + _DIGITS[char]
        elif char == "万":
            total, section, digit = (section + digit or 1) * 10_000 + total, 0, 0
        else:
            section, digit = section + (digit or 1) * _TENS[char], 0
    return total + section + digit
