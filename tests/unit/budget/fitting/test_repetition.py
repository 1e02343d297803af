from __future__ import annotations

import pytest

from kenshin.budget.fitting.policy import FitPolicy
from kenshin.budget.fitting.repetition import COMMONEST, LONGEST, repetitions

SHIPPING = (
    "Orders to Osaka are shipped on the day they are paid, by the evening train, and they arrive within three days "
    "unless the weather stops the trains; the customer is then told by mail and may cancel without a fee."
)
JAPANESE = (
    "大阪への注文は支払われた当日の夕方の列車で発送され、天候により列車が止まらない限り三日以内に届きます。"
)


def found(*texts: str, share: float = 0.9) -> dict[int, int]:
    return {place: each.of for place, each in repetitions(enumerate(texts), share).items()}


def test_equal_texts_are_repeated_whatever_their_case_and_white_space() -> None:
    assert found(SHIPPING, "no", "  NO\n", SHIPPING.upper().replace(" ", "\n")) == {2: 1, 3: 0}


def test_a_text_within_another_is_repeated_but_not_the_other_way_round() -> None:
    part = SHIPPING[: len(SHIPPING) // 2]
    assert found(SHIPPING, part) == {1: 0}
    assert found(part, SHIPPING) == {}


def test_near_repetitions_are_found_in_scripts_without_spaces() -> None:
    assert found(JAPANESE * 2, (JAPANESE * 2)[:-4] + "はずです。") == {1: 0}
    assert found(SHIPPING, JAPANESE) == {}


def test_another_number_is_no_repetition() -> None:
    text = f"{SHIPPING} The fee is 1.200 yen. {SHIPPING.replace('Osaka', 'Kobe')}"
    assert found(text, text.replace("1.200", "1.300")) == {}
    assert found(text, text.replace("yen", "Yen!")) == {1: 0}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Volume One of the series", "Volume Two of the series"),
        ("the 『竜の書記官』上 in cloth", "the 『竜の書記官』下 in cloth"),
        ("第一巻、書籍版です", "第二巻、書籍版です"),
        ("sold for $ 1,200 each", "sold for € 1,200 each"),
        ("late if x < 5 days", "late if x > 5 days"),
        ("stored at -5 degrees", "stored at 5 degrees"),
        ("You may return it", "You may not return it"),
        ("size 12, width 14", "size 14, width 12"),
        ("written in C++ then", "written in C then"),
    ],
)
def test_products_that_differ_in_a_word_or_a_sign_are_not_one(one: str, other: str) -> None:
    assert (
        found(f"{SHIPPING} {one}. {SHIPPING}", f"{SHIPPING} {other}. {SHIPPING}", share=FitPolicy().near)
        == {}
    )


def test_the_share_decides() -> None:
    other = SHIPPING.replace("a fee", "a cost")
    assert found(SHIPPING, other) == {1: 0}
    assert found(SHIPPING, other, share=1.0) == {}


def test_boilerplate_makes_nothing_a_repetition() -> None:
    texts = [
        f"Please read the terms of service before you write about {chr(97 + at)}{at}"
        for at in range(2 * COMMONEST)
    ]
    assert found(*texts) == {}


def test_very_long_texts_are_compared_as_a_whole() -> None:
    long = " ".join(f"word{at}" for at in range(LONGEST // 5))
    assert found(long, long, long + " more") == {1: 0}
