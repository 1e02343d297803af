from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import BackendUnavailable, InvalidInput
from kenshin.experiments import score_response
from kenshin.experiments.scoring import STARS, THUMBS, ScoreWeights

SCHEMA = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}}
SHARE = st.floats(0, 1)


@st.composite
def weights(draw):
    raw = draw(st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any))
    return ScoreWeights(*(each / sum(raw) for each in raw))


def scored(values, weighting):
    """A score whose parts have these values; None leaves the part out."""
    grounding = {} if values[1] is None else {"answer": "1", "context": "1" if values[1] else "2"}
    return score_response(
        **{"answer": "", **grounding},
        schema_valid=None if values[0] is None else bool(values[0]),
        feedback=None if values[2] is None else "x",
        ratings={"x": values[2] or 0.0},
        judge=None if values[3] is None else lambda answer, context: values[3],
        weights=weighting,
    )


VALUES = st.tuples(st.none() | st.booleans(), st.none() | st.booleans(), st.none() | SHARE, st.none() | SHARE)


@given(VALUES, weights())
def test_a_score_is_the_weighted_mean_of_the_parts_that_are_there(values, weighting):
    result = scored(values, weighting)
    declared = weighting.as_dict()
    there = dict(zip(declared, values, strict=True))
    assert {part.name: part.value for part in result.parts} == {
        n: v for n, v in there.items() if v is not None
    }
    assert {each.name for each in result.missing} == {
        name for name, value in there.items() if value is None and declared[name] > 0
    }
    counting = [part for part in result.parts if declared[part.name] > 0]
    if not counting:
        assert result.score is None
        return
    assert 0 <= result.score <= 1
    assert math.isclose(sum(part.weight for part in result.parts), 1, abs_tol=1e-9)
    assert math.isclose(result.score, sum(p.weight * p.value for p in counting), abs_tol=1e-9)
    for one in counting:
        for other in counting:
            assert math.isclose(
                one.weight * declared[other.name], other.weight * declared[one.name], abs_tol=1e-9
            )


@given(VALUES, weights(), st.integers(0, 3), SHARE)
def test_a_score_rises_with_each_of_its_parts(values, weighting, place, other):
    if values[place] is None:
        return
    other = other > 0.5 if place < 2 else other
    changed = [*values[:place], other, *values[place + 1 :]]
    before, after = scored(values, weighting).score, scored(changed, weighting).score
    if before is not None:
        assert (other >= values[place]) or after <= before
        assert (other <= values[place]) or after >= before


ANY_TEXT = st.text(st.characters(), max_size=60)


@given(ANY_TEXT, ANY_TEXT | st.lists(ANY_TEXT, max_size=3))
def test_any_text_can_be_scored(answer, context):
    result = score_response(answer, context=context, judge=lambda answer, context: 0.5)
    assert 0 <= result.score <= 1


def test_lone_surrogates_can_be_scored():
    assert score_response("\ud800 5", context=["\udfff", "5"]).score == 1.0


@pytest.mark.parametrize(
    "bad",
    [
        {"schema": 0.5},
        {"schema": -0.25, "judge": 0.75},
        {"judge": math.nan},
        {"judge": True},
        {"feedback": "x"},
    ],
)
def test_weights_that_are_no_shares_of_one_are_refused(bad):
    with pytest.raises(InvalidInput):
        ScoreWeights(**bad)


@pytest.mark.parametrize(
    ("rating", "ratings", "value"),
    [("up", THUMBS, 1.0), ("down", THUMBS, 0.0), (1, STARS, 0.0), (4, STARS, 0.75), (5.0, STARS, 1.0)],
)
def test_ratings_count_what_they_are_declared_to(rating, ratings, value):
    result = score_response("", feedback=rating, ratings=ratings)
    assert result.score == value
    assert result.metrics == {"score.feedback": value}
    assert repr(rating) in result.parts[0].source


@pytest.mark.parametrize(
    ("rating", "ratings"),
    [
        (6, STARS),
        (True, STARS),
        ("up", STARS),
        ("up", None),
        (math.nan, STARS),
        ([], THUMBS),
        ("a", {"a": 2}),
    ],
)
def test_a_rating_without_a_declared_value_is_refused(rating, ratings):
    with pytest.raises(InvalidInput) as caught:
        score_response("", feedback=rating, ratings=ratings)
    assert caught.value.mend


class Unsayable(Exception):
    def __str__(self):
        raise RuntimeError


def fails(error):
    def judge(answer, context):
        raise error

    return judge


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        (fails(TimeoutError("no answer")), "TimeoutError: no answer"),
        (fails(Unsayable()), "Unsayable"),
        (fails(ValueError("x" * 1000)), "…"),
        (lambda answer, context: 1.5, "1.5"),
        (lambda answer, context: math.nan, "nan"),
        (lambda answer, context: True, "True"),
        (lambda answer, context: "0.5", "'0.5'"),
        (lambda answer, context: None, "None"),
    ],
)
@pytest.mark.parametrize("weighting", [ScoreWeights(), ScoreWeights(0.5, 0.5, 0, 0)])
def test_a_judge_that_fails_is_a_missing_part(judge, reason, weighting):
    result = score_response("", schema_valid=True, judge=judge, weights=weighting)
    assert result.score == 1.0
    assert "score.judge" not in result.metrics
    [missing] = [each for each in result.missing if each.name == "judge"]
    assert reason in missing.reason
    assert len(missing.reason) < 300


def test_a_judge_is_told_the_answer_and_the_context():
    told = []
    score_response("a", context=["b", "c"], judge=lambda *both: told.append(both) or 1.0)
    assert told == [("a", "b\nc")]


def test_without_the_package_a_schema_is_refused_and_the_mend_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(BackendUnavailable, match="schema_valid"):
        score_response("{}", schema=SCHEMA)


def test_schema_and_outcome_contradict_each_other():
    with pytest.raises(InvalidInput, match="both"):
        score_response("{}", schema=SCHEMA, schema_valid=True)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"answer": "はい"}', 1.0),
        ('{"answer": 1}', 0.0),
        ("{}", 0.0),
        ("no JSON", 0.0),
        ('{"answer": "\ud800"}', 0.0),
        ('{"answer": "x", "n": NaN}', 0.0),
        ("[" * 100_000, 0.0),
    ],
)
def test_an_answer_is_held_against_its_schema(answer, value):
    assert score_response(answer, schema=SCHEMA).metrics == {"score.schema": value}


def test_a_schema_that_is_none_is_refused():
    with pytest.raises(InvalidInput, match="no JSON Schema"):
        score_response("{}", schema={"type": "nonsense"})


def test_the_parts_go_into_an_observation(seen):
    result = score_response("5", context="5", feedback="up", ratings=THUMBS, schema_valid=False)
    made = seen("1", "s", quality_score=result.score, metrics=result.metrics)
    assert made.metrics == {"score.schema": 0.0, "score.grounding": 1.0, "score.feedback": 1.0}
    assert made.quality_score == pytest.approx(2 / 3)
