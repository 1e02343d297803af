from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenshin.experiments.observation import ABObservation
from kenshin.experiments.segment import count_lines, line_of, observation_of, read_chunk

TEXT = st.text(st.characters(), min_size=1, max_size=20)  # halves of surrogate pairs included
FIGURE = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20)
INSTANT = st.datetimes(
    datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))])
)


def dated(observed_at: datetime, shift: int, **rest: object) -> ABObservation:
    day = observed_at.date() + timedelta(days=shift)
    return ABObservation(observed_at=observed_at, day=day, **rest)


OBSERVATIONS = st.builds(
    dated,
    observation_id=TEXT,
    experiment_id=st.just("exp"),
    session_id=TEXT,
    arm=st.sampled_from("AB"),
    prompt_version=TEXT,
    observed_at=INSTANT,
    recorded_at=INSTANT,
    shift=st.integers(-1, 1),
    phase=st.integers(1, 5),
    intent=st.none() | TEXT,
    trace_id=st.none() | TEXT,
    quality_score=st.none() | st.floats(0, 1),
    latency_ms=st.none() | st.floats(0, 1e9),
    metrics=st.dictionaries(st.sampled_from(["cost", "tokens"]), FIGURE),
    covariates=st.dictionaries(st.just("before"), FIGURE),
)
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SOME
@given(OBSERVATIONS)
def test_a_line_gives_the_observation_back(each):
    assert observation_of(line_of(each)) == each


@SOME
@given(st.lists(OBSERVATIONS, min_size=1, max_size=6), st.data(), st.integers(1, 3))
def test_any_truncation_loses_at_most_the_torn_tail(tmp_path, batch, data, limit):
    lines = [line_of(each) for each in batch]
    body = b"".join(lines)
    cut = data.draw(st.integers(0, len(body)))
    whole, size = 0, 0
    while whole < len(lines) and size + len(lines[whole]) <= cut:
        size += len(lines[whole])
        whole += 1
    path = tmp_path / "segment.jsonl"
    path.write_bytes(body[:cut])
    found, torn, offset, last = [], 0, 0, False
    while not last:
        chunk = read_chunk(path, offset, limit)
        assert chunk.broken == 0
        found.extend(chunk.observations)
        torn, offset, last = torn + chunk.torn, chunk.offset, chunk.last
    assert found == batch[:whole]
    assert torn == int(cut > size)
    assert count_lines(path) == whole


@SOME
@given(st.lists(OBSERVATIONS, min_size=3, max_size=3), st.data())
def test_a_flipped_bit_never_becomes_an_observation(tmp_path, batch, data):
    lines = [line_of(each) for each in batch]
    damaged = bytearray(lines[1])
    place = data.draw(st.integers(0, len(damaged) - 2))
    damaged[place] ^= 1 << data.draw(st.integers(0, 6))
    path = tmp_path / "segment.jsonl"
    path.write_bytes(lines[0] + bytes(damaged) + lines[2])
    chunk = read_chunk(path, 0, 100)
    assert list(chunk.observations) == [batch[0], batch[2]]
    assert chunk.broken >= 1
