from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.budget.counts import ASCII_COUNTS, NAMES, counts
from kenshin.budget.tokenizers import lexicon

LEXICON = lexicon("claude-3")
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)


def counted(text: str) -> dict[str, float]:
    return {name: count for name, count in zip(NAMES, counts(text, LEXICON), strict=False) if count}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the cat", {"words": 2}),
        ("x = 1 + y", {"words": 2, "signs": 2, "digits": 1, "single_spaces": 2}),
        ("1234567 12", {"digits": 4, "single_spaces": 1}),
        ("a\n    b", {"words": 2, "spaces": 1, "newlines": 1}),
        ("a\n\nb", {"words": 2, "newlines": 2, "newline_pairs": 1}),
        ("a\t\tb", {"words": 2, "tabs": 2, "tab_pairs": 1}),
        ("日本語", {"common_characters": 3}),
        ("龘", {"rare_characters": 1}),
        ("です", {"hiragana": 2}),
        ("データ、", {"katakana": 3, "japanese_signs": 1}),
        ("？", {"wide": 1}),
        ("日?", {"common_characters": 1, "signs": 1}),
        ("😀", {"surrogates": 2}),
        ("\ud800", {"surrogates": 1}),
        ("😀a?", {"surrogates": 2, "words": 1, "signs": 1}),
        ("5° «a»", {"digits": 1, "words": 1, "sign_tiles": 3}),
        ("¥5", {"digits": 1, "rare_characters": 1}),
        (f"a{' ' * 16}b", {"words": 2, "spaces": 1}),
        (f"a{' ' * 40}b", {"words": 2, "spaces": 3}),
        ("\x00" * 40, {"spaces": 2}),
        ("it's a", {"words": 3, "signs": 1, "contractions": 1}),
    ],
)
def test_a_text_is_counted_as_the_tokenizer_takes_it_apart(text: str, found: dict[str, float]) -> None:
    assert counted(text) == found


@given(ANY_TEXT)
def test_an_ascii_text_is_counted_as_any_other(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode().replace("\x01", "").replace("\x7f", "")
    alone, beside = counts(plain, LEXICON), counts(plain + "。", LEXICON)
    assert len(alone) == ASCII_COUNTS
    assert len(beside) == len(NAMES)
    assert alone == pytest.approx(beside[:ASCII_COUNTS])


@given(ANY_TEXT)
def test_no_text_has_a_negative_count(text: str) -> None:
    assert min(counts(text, LEXICON)) >= 0


@given(st.text("abc XYZ09.-\nжщ日かカ한", max_size=80))
def test_texts_apart_are_counted_as_each_alone(text: str) -> None:
    twice, once = counted(f"{text}\x00{text}\x00"), counted(f"{text}\x00")
    for name in (set(twice) | set(once)) - {"word_tiles", "foreign_tiles"}:
        assert twice.get(name, 0) == 2 * once.get(name, 0)


@pytest.mark.parametrize("text", ["zażółć gęślą jaźń", "Привет, мир", "नमस्ते दुनिया", "สวัสดีชาวโลก", "γειά σου"])
def test_words_of_other_scripts_are_tiled(text: str) -> None:
    assert counted(text)["foreign_tiles"] >= 2
