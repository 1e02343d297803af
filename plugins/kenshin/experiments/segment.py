"""A spill segment: observations as lines of a file that is only ever appended to.

A line is the CRC-32 of its body in eight hexadecimal digits, a space, the body as ASCII JSON, and a line feed. What a
kill cut off has no line feed or a wrong checksum, so it is recognised and never mistaken for an observation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zlib import crc32

from kenshin.experiments.observation import ABObservation


@dataclass(frozen=True, slots=True)
class Chunk:
    """What some lines of a segment held.

    Args:
        observations: those that are whole, in the order in which they were written.
        broken: whole lines that hold no observation any more.
        torn: 1 if the segment ends in the middle of a line.
        offset: where the next chunk starts, in bytes.
        last: whether the segment ends here.
    """

    observations: Sequence[ABObservation]
    broken: int
    torn: int
    offset: int
    last: bool


def line_of(each: ABObservation) -> bytes:
    """An observation as a line.

    Raises:
        TypeError: a field has a type that has no place in JSON.
        ValueError: likewise.
    """
    body = json.dumps(
        {
            "observation_id": each.observation_id,
            "experiment_id": each.experiment_id,
            "session_id": each.session_id,
            "arm": each.arm,
            "prompt_version": each.prompt_version,
            "observed_at": each.observed_at.isoformat(),
            "recorded_at": each.recorded_at.isoformat(),
            "day": each.day.isoformat(),
            "phase": each.phase,
            "intent": each.intent,
            "trace_id": each.trace_id,
            "quality_score": each.quality_score,
            "latency_ms": each.latency_ms,
            "metrics": dict(each.metrics),
            "covariates": dict(each.covariates),
        },
        separators=(",", ":"),
    ).encode("ascii")
    return b"%08x %s\n" % (crc32(body), body)


def observation_of(line: bytes) -> ABObservation | None:
    """The observation of a line, the line feed included; None if the line is torn or damaged."""
    checksum, _, rest = line.partition(b" ")
    body = rest[:-1]
    if rest[-1:] != b"\n" or checksum != b"%08x" % crc32(body):
        return None
    try:
        raw = json.loads(body)
        return ABObservation(
            **{
                **raw,
                "observed_at": datetime.fromisoformat(raw["observed_at"]),
                "recorded_at": datetime.fromisoformat(raw["recorded_at"]),
                "day": date.fromisoformat(raw["day"]),
            }
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def read_chunk(path: Path, offset: int, limit: int) -> Chunk:
    """Read up to `limit` lines from a byte offset on.

    Raises:
        OSError: the file cannot be read.
    """
    observations: list[ABObservation] = []
    broken = torn = 0
    last = False
    with path.open("rb") as file:
        file.seek(offset)
        for _ in range(limit):
            line = file.readline()
            if not line.endswith(b"\n"):
                torn, last = int(bool(line)), True
                break
            offset += len(line)
            found = observation_of(line)
            if found is None:
                broken += 1
            else:
                observations.append(found)
    return Chunk(observations, broken, torn, offset, last)


def count_lines(path: Path) -> int:
    """How many whole lines a segment has.

    Raises:
        OSError: the file cannot be read.
    """
    count = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            count += block.count(b"\n")
    return count
