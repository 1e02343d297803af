from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.grounding.numerals import canonical, kanji_numbers, months, numbers, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,980円", [("1980", "money")]),
        ("¥ 1980", [("1980", "money")]),
        ("$12.50", [("12.5", "money")]),
        ("20 %", [("20", "percent")]),
        ("3割引", [("30", "percent")]),
        ("1億5000万部", [("150000000", "")]),
        ("1.5億", [("150000000", "")]),
        ("2万3千円", [("23000", "money")]),
        ("420 x 297 mm", [("420", "metric"), ("297", "metric")]),
        ("令和7年", [("2025", "year")]),
        ("平成31年4月", [("2019", "year"), ("4", "")]),
        ("午後9時", [("21", "")]),
        ("9:30 p.m.", [("21", ""), ("30", "")]),
        ("12 pm", [("12", "")]),
        ("14 days, 2 weeks", [("14", "day"), ("2", "week")]),
        ("24時間", [("24", "hour")]),
        ("6か月", [("6", "month")]),
        ("1 2", [("1", ""), ("2", "")]),
        ("1,2,3", [("1", ""), ("2", ""), ("3", "")]),
    ],
)
def test_numbers_have_one_form(text, found):
    assert [(number.digits, number.unit) for number in numbers(text)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("全三十二巻", ["32"]),
        ("二〇二五年", ["2025"]),
        ("千五百円", ["1500"]),
        ("二万三千円", ["23000"]),
        ("一番人気で十分満足、一部の三人", []),
        ("2千円", []),
    ],
)
def test_kanji_claim_where_a_counter_follows(text, found):
    assert [number.digits for number in kanji_numbers(text, counted=True)] == found


def test_months_and_words():
    assert [number.digits for number in months("You may order until Apr 7 or 12th of May.", dated=True)] == [
        "4",
        "5",
    ]
    assert [number.digits for number in months("may, marching, 5/December", dated=False)] == ["5", "12"]
    told = [(number.digits, number.unit) for number in words("Two weeks, a dozen, half price, someone")]
    assert told == [("2", "week"), ("12", ""), ("50", "percent")]


@given(st.integers(0, 10**30), st.integers(0, 99))
def test_separators_and_zeros_at_the_ends_do_not_matter(whole, fraction):
    plain = canonical(str(whole), f"{fraction:02}")
    assert canonical(f"00{whole:,}", f"{fraction:02}000") == plain
    assert next(numbers(f"{whole:,}.{fraction:02}")).digits == plain


@given(st.text(st.sampled_from("0123456789,.-x %円年千万億令和元午後時 一十百二pm"), max_size=60))
def test_any_text_has_numbers_in_its_order(text):
    found = list(numbers(text))
    assert [number.start for number in found] == sorted(number.start for number in found)
    list(kanji_numbers(text, counted=False))
    list(words(text))
