from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kenshin.budget
from kenshin.budget.pieces import Lexicon, tiles
from kenshin.budget.tokenizers import lexicon

DATA = {
    "words": [[{"one": 1, "two": 3}, "known café"], [{"one": 2, "two": 2}, "twofold"]],
    "signs": [[{"one": 1, "two": 1}, "( ) :: ="]],
    "parts": [[["one", "two"], "^ $ ^un an know n$ ing$ k n o w"], [["one"], "^unkno"]],
    "foreign_parts": [[["one", "two"], "^при вет$"]],
    "capitals": ["one"],
    "common": "一三가",
}
ONE, TWO = Lexicon(DATA, "one"), Lexicon(DATA, "two")


def test_a_family_has_its_own_costs_and_parts() -> None:
    assert (ONE.words[b"known"], TWO.words[b"known"]) == (1, 3)
    assert ONE.words["café".encode("latin-1")] == 1
    assert (ONE.word_tiles([b"unknown"], 9), TWO.word_tiles([b"unknown"], 9)) == (3, 3)
    assert tiles("unknow", ["^unkno", "w", "$"]) == 3


@pytest.mark.parametrize(
    ("word", "cost"),
    [(b"unknown", 3), (b"Unknown", 4), (b"KNOWN", 2), (b"unq", 4)],
)
def test_capitals_are_marks_and_unknown_letters_cost_two(word: bytes, cost: int) -> None:
    assert ONE.word_tiles([word], 9) == cost


def test_words_of_other_scripts_are_tiled_with_their_parts() -> None:
    assert ONE.foreign_tiles(["привет"], 9) == 2
    assert ONE.foreign_tiles(["Привет"], 9) == 3
    assert ONE.foreign_tiles([], 9) == 0


def test_runs_of_signs_are_tiled_with_known_ones() -> None:
    assert ONE.sign_tiles([b"()", b"(::="]) == 5
    assert ONE.sign_tiles([]) == 0


def test_runs_of_signs_without_end_are_taken_to_be_like_their_beginning() -> None:
    assert ONE.sign_tiles([b"(" * 7_680]) == pytest.approx(7_680)
    assert ONE.sign_tiles([b"(" * 30] * 640) == pytest.approx(19_200)


@pytest.mark.parametrize(
    ("character", "rare"), [("一", False), ("丁", True), ("가", False), ("각", True), ("a", False)]
)
def test_characters_that_are_no_piece_are_rare(character: str, rare: bool) -> None:
    assert bool(ONE.rare.match(character)) is rare


@given(st.integers(1, 400), st.integers(1, 40))
def test_all_words_are_taken_to_be_like_those_that_were_tiled(words: int, most: int) -> None:
    assert ONE.word_tiles([b"unknown"] * words, most) == pytest.approx(3 * words)


@given(st.text(st.characters(categories=["Ll", "Lu"]), min_size=1, max_size=60))
def test_a_word_has_at_least_one_tile_and_at_most_two_a_letter(word: str) -> None:
    for family in ("claude-3", "claude-4.7"):
        assert 0 < lexicon(family).foreign_tiles([word], 9) <= 2 * len(word) + 3


def test_the_packaged_pieces_say_where_they_are_from() -> None:
    packaged = Path(kenshin.budget.__file__).with_name("tokenizers.json")
    assert "ctok" in json.loads(packaged.read_text(encoding="utf-8"))["about"]
