from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.experiments.grounding import ground


@pytest.mark.parametrize(
    ("answer", "context", "claims"),
    [
        ("The bag costs 1,200 yen.", "bag: ¥1200", ["1200"]),
        ("送料は１，２００円です。", "送料 1200円", ["1200"]),
        ("価格は1.5万円、売上は2億円。", "15000 / 200000000", ["15000", "200000000"]),
        ("Order AB-123 has shipped.", "order ab-123: shipped", ["ab-123"]),
        ("注文ＡＢ－１２３は発送済みです", "注文AB-123", ["ab-123"]),
        ("詳細はhttps://shop.jp/x/9をご覧ください。", "→ https://shop.jp/x/9/", ["https://shop.jp/x/9"]),
        ("It weighs 2.50 kg.", "2.5kg", ["2.5"]),
        ("Item 9 is sold out.", "see https://shop.jp/item/9", ["9"]),
        ("03時", "3時", ["3"]),
    ],
)
def test_what_the_context_has_is_supported(answer, context, claims):
    found = ground(answer, context)
    assert list(found.claims) == claims
    assert found.unsupported == ()
    assert found.score == 1.0


@pytest.mark.parametrize(
    ("answer", "context", "unsupported"),
    [
        ("It costs 1,300 yen.", "1200 yen", ["1300"]),
        ("全巻で４５冊です", "全44冊", ["45"]),
        ("Order AB-124.", "AB-123, 124", ["ab-124"]),
        ("https://evil.example/a", "https://shop.jp/a", ["https://evil.example/a"]),
        ("1万円", "1円", ["10000"]),
        ("12 of 120", "120", ["12"]),
    ],
)
def test_what_the_context_lacks_is_named(answer, context, unsupported):
    found = ground(answer, context)
    assert list(found.unsupported) == unsupported
    assert found.score == 1 - len(unsupported) / len(found.claims)


@pytest.mark.parametrize(
    "answer", ["", "No figures here.", "1. First\n2. Then", "① まず\n② 次に", "１． まず"]
)
def test_an_answer_without_claims_has_no_score(answer):
    assert ground(answer, "context 5").claims == ()
    assert ground(answer, "context 5").score is None


TEXT = st.text(st.characters() | st.sampled_from("0123456789,.-_ 万億１①\ud800\udfffhttps://AB"), max_size=80)


@given(TEXT, TEXT)
def test_any_text_gives_a_share_and_supports_itself(answer, context):
    score = ground(answer, context).score
    assert score is None or 0 <= score <= 1
    assert ground(answer, answer).unsupported == ()


@given(TEXT, TEXT, TEXT)
def test_more_context_never_lowers_the_score(answer, context, more):
    before, after = ground(answer, context), ground(answer, f"{context}\n{more}")
    assert set(after.unsupported) <= set(before.unsupported)


def test_a_long_answer_takes_a_moment():
    ground("1,234" * 40_000, "A-" * 100_000)
