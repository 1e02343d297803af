from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.grounding.claims import LONGEST_ANSWER, LONGEST_CONTEXT, MOST_NAMES, normalised
from kenshin.grounding.support import ground


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
    assert [claim.value for claim in found.claims] == claims
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
    assert [claim.value for claim in found.unsupported] == unsupported
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


@pytest.mark.parametrize(
    ("answer", "context"),
    [
        ("The poster is 420 x 297 mm.", "poster 42.0 cm x 29.7 cm"),
        ("It weighs 1.2 kg.", "weight: 1200 g"),
        ("We close at 9 p.m.", "open 11:00-21:00"),
        ("20時まで", "until 8 p.m."),
        ("全三十二巻です", "全32巻"),
        ("It has 32 volumes", "全三十二巻"),
        ("Released on Apr 7, 2025", "発売日 2025-04-07"),
        ("2025年4月7日発売", "April 7th, 2025"),
        ("令和7年4月発売", "2025-04-07"),
        ("3割引です", "30%OFF"),
        ("累計1.5億部", "1億5000万部"),
        ("1,386 yen after 30% off", "1,980円 30%OFF"),
        ("Total 2,960 yen", "1,980 yen + 980 yen"),
        ("Two at 550 yen are 1,100 yen, with shipping 1,470 yen", "2 items, 550 yen each; shipping 370 yen"),
        ("500 yen", "1,000 yen, now half price"),
        ("You have 21 days.", "within three weeks"),
        ("18 months", "1.5 years"),
        ("Vol7", "第7巻"),
        ("ISBN 978-4-06-512345-6", "isbn:9784065123456"),
        ("about 2,000 yen", "1,980 yen"),
        ("2000円ほど", "1,980円"),
        ("次の2つ:\n- 宅配\n- メール便", "宅配 メール便"),
        ("1冊あたり550円", "5冊 2,750円"),
        ("8%", "8 of every hundred"),
    ],
)
def test_what_follows_from_the_context_is_supported(answer, context):
    assert ground(answer, context, names=True).unsupported == ()


@pytest.mark.parametrize(
    ("answer", "context"),
    [
        ("全三十三巻です", "全32巻"),
        ("Released on Apr 8, 2025", "発売日 2025-04-07"),
        ("Released on May 7, 2025", "発売日 2025-04-07"),
        ("4割引です", "30%OFF"),
        ("Total 2,970 yen", "1,980 yen + 980 yen"),
        ("ISBN 978-4-06-512345-7", "isbn:9784065123456"),
        ("2000円", "1,980円"),
        ("8%", "8円"),
        ("$5", "5%"),
        ("2 weeks", "14 items"),
        ("『進撃の小人』", "進撃の巨人"),
        ('"Moon Walker"', "Sun Walker"),
    ],
)
def test_what_does_not_follow_is_named(answer, context):
    assert ground(answer, context, names=True).unsupported


def test_names_are_looked_at_on_demand_and_compared_by_their_letters():
    assert ground("『進撃の小人』「はい」", "巨人").claims == ()
    found = ground("「Kino’s  Journey」と『進撃の小人』", "KINO'S JOURNEY", names=True)
    assert [(claim.kind, claim.text) for claim in found.unsupported] == [("title", "進撃の小人")]


def test_among_many_numbers_nothing_is_derived_from_two():
    context = "1,980 yen + 980 yen"
    crowd = " ".join(str(7 * number + 100_000) for number in range(50))
    assert not ground("2,960 yen", context).unsupported
    assert ground("2,960 yen", f"{context} {crowd}").unsupported


def test_a_number_that_is_cut_in_two_is_no_claim():
    text = " ".join(map(str, range(100_000, 120_000)))
    assert len(text) > LONGEST_ANSWER
    assert ground(text, text).unsupported == ()
    assert ground(f"{'あ' * (LONGEST_ANSWER - 3)}1234567円", "1234567円").unsupported == ()


def test_what_is_about_a_number_is_supported_from_both_sides():
    context = " ".join(str(number) for number in range(1000, 100_000, 1000))
    assert ground("about 1050 yen", "1000 yen").unsupported == ()
    assert ground("about 950 yen", "1000 yen").unsupported == ()
    assert ground("about 1051 yen", "1000 yen").unsupported != ()
    assert ground("about 949 yen", "1000 yen").unsupported != ()
    assert ground("about 50,400 pages", context).unsupported == ()
    assert ground("about 500 pages", context).unsupported != ()


def test_so_many_names_of_an_answer_are_looked_up():
    answer = "".join(f"『題名{number}あ』" for number in range(1000))
    names = [claim for claim in ground(answer, "", names=True).claims if claim.kind == "title"]
    assert len(names) == MOST_NAMES


def test_a_text_that_normalisation_swells_is_cut_after_it():
    assert len(normalised("\ufdfa" * LONGEST_CONTEXT)) == LONGEST_CONTEXT
    assert ground("\ufdfa" * LONGEST_ANSWER + " 17", "").claims == ()
