"""Assignment: which arm a session is in, which prompt version it gets, and whether that counts.

A session's bucket is a number from 0 to 1 made of SHA-256 of ``experiment_id:session_id``, so every process,
on every machine, at any time gives the session the same arm, and two experiments divide the sessions
independently.

Who is held out is decided by a bucket of its own, which no experiment has part in: the same sessions are held out
everywhere, and they are spread evenly over the arms that they would have had.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, TypeVar

from kenshin.experiments.experiment import CONTROL, Experiment

_BUCKETS = 0xFFFFFFFF
_HOLDOUT = ""
"""In the place of an experiment's id, which cannot be empty."""

Reason = Literal["bucket", "override", "holdout", "concluded", "not running", "unknown"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a session gets, and why.

    Args:
        arm: the session's arm.
        prompt_version: what answers the session; None where the definition is not known and no default is given.
        phase: of the experiment, to be told with an observation; 0 where the definition is not known.
        reason: ``bucket`` is the rule; ``override`` a tester's session; ``holdout`` one that is in no experiment;
            ``concluded`` and ``not running`` an experiment that assigns nobody; ``unknown`` one whose definition
            this process has not read yet.
    """

    arm: str
    prompt_version: str | None
    phase: int
    reason: Reason

    @property
    def exposed(self) -> bool:
        """Whether the session takes part, so that what it does is to be observed."""
        return self.reason == "bucket"


def bucket(experiment_id: str, session_id: str) -> float:
    """Where a session stands between 0 and 1 (both possible): the digest's first 32 bits over 2³² − 1."""
    return int.from_bytes(_digest(f"{experiment_id}:{session_id}")[:4], "big") / _BUCKETS


def held_out(experiment: Experiment, session_id: str) -> bool:
    """Whether the session is in no experiment that holds out so large a share."""
    return experiment.holdout > 0 and bucket(_HOLDOUT, session_id) < experiment.holdout


def assign(experiment: Experiment, session_id: str) -> str:
    """The session's arm.

    A tester's session has the arm that is written down for it, and a session that is held out has control. For the
    others the candidates take consecutive intervals of the buckets from 0 on, each as long as its share; what
    remains is control's. With two arms that is: the candidate below `traffic_split`, so a split that grows takes
    nobody from the candidate. An experiment that is not running answers control.
    """
    if experiment.status != "running":
        return CONTROL
    if session_id in experiment.overrides:
        return experiment.overrides[session_id]
    if held_out(experiment, session_id):
        return CONTROL
    place = bucket(experiment.experiment_id, session_id)
    for end, arm in _intervals(experiment):
        if place < end:
            return arm
    return CONTROL


def assignment(experiment: Experiment, session_id: str) -> Assignment:
    """What the session gets, and why."""
    reason: Reason = "bucket"
    if experiment.status == "concluded":
        reason = "concluded"
    elif experiment.status != "running":
        reason = "not running"
    elif session_id in experiment.overrides:
        reason = "override"
    elif held_out(experiment, session_id):
        reason = "holdout"
    return Assignment(
        arm=assign(experiment, session_id),
        prompt_version=prompt_version(experiment, session_id),
        phase=experiment.phase,
        reason=reason,
    )


def prompt_version(experiment: Experiment, session_id: str) -> str:
    """The prompt version of the session's arm; once the experiment is concluded, the winner's."""
    if experiment.status == "concluded" and experiment.winner is not None:
        return experiment.version_of(experiment.winner)
    return experiment.version_of(assign(experiment, session_id))


def assigner(experiment: Experiment) -> Callable[[str], str]:
    """`assign` of one definition, made ready for a request path."""
    return _ready(experiment, lambda arm, reason: arm)


def versioner(experiment: Experiment) -> Callable[[str], str]:
    """`prompt_version` of one definition, made ready for a request path."""
    versions = _versions(experiment)
    return _ready(experiment, lambda arm, reason: versions[arm])


def decider(experiment: Experiment) -> Callable[[str], Assignment]:
    """`assignment` of one definition, made ready for a request path."""
    versions = _versions(experiment)
    return _ready(experiment, lambda arm, reason: Assignment(arm, versions[arm], experiment.phase, reason))


def _ready(experiment: Experiment, answer: Callable[[str, Reason], T]) -> Callable[[str], T]:
    """A function from session ids to answers, which are made once and not for each session.

    It compares the digest with the ends of the intervals as bytes, which gives the same arm as the division does.
    """
    if experiment.status != "running":
        only = answer(CONTROL, "concluded" if experiment.status == "concluded" else "not running")
        return lambda session_id: only
    by_bucket = _by_bucket(experiment, answer)
    if not experiment.overrides and not experiment.holdout:
        return by_bucket
    overrides = {session_id: answer(arm, "override") for session_id, arm in experiment.overrides.items()}
    left_out = answer(CONTROL, "holdout")
    holdout = _bound(experiment.holdout) if experiment.holdout else None
    digest_of = _digester(_HOLDOUT)

    def exceptions_first(session_id: str) -> T:
        if session_id in overrides:
            return overrides[session_id]
        if holdout is not None and digest_of(session_id) < holdout:
            return left_out
        return by_bucket(session_id)

    return exceptions_first


def _by_bucket(experiment: Experiment, answer: Callable[[str, Reason], T]) -> Callable[[str], T]:
    name = experiment.experiment_id
    intervals = [(_bound(end), answer(arm, "bucket")) for end, arm in _intervals(experiment)]
    control = answer(CONTROL, "bucket")
    if len(intervals) > 1:
        digest_of = _digester(name)

        def of_several(session_id: str) -> T:
            digest = digest_of(session_id)
            for bound, candidate in intervals:
                if digest < bound:
                    return candidate
            return control

        return of_several
    [(bound, candidate)] = intervals
    begun = _SHA256(f"{name}:".encode()).copy

    def of_two(session_id: str) -> T:
        # `_digester` written out: a call less is a twentieth of the whole.
        sha256 = begun()
        try:
            sha256.update(session_id.encode())
        except (UnicodeEncodeError, AttributeError):
            return candidate if _digest(f"{name}:{session_id}") < bound else control
        return candidate if sha256.digest() < bound else control

    return of_two


def _digester(name: str) -> Callable[[str], bytes]:
    """A function from session ids to digests; it begins where SHA-256 has taken in the name already."""
    begun = _SHA256(f"{name}:".encode()).copy

    def digest_of(session_id: str) -> bytes:
        sha256 = begun()
        try:
            sha256.update(session_id.encode())
        except (UnicodeEncodeError, AttributeError):
            return _digest(f"{name}:{session_id}")
        digest: bytes = sha256.digest()
        return digest

    return digest_of


def _versions(experiment: Experiment) -> dict[str, str]:
    versions = {arm.name: arm.prompt_version for arm in experiment.all_arms()}
    if experiment.status == "concluded" and experiment.winner is not None:
        versions[CONTROL] = versions[experiment.winner]
    return versions


def _intervals(experiment: Experiment) -> Iterator[tuple[float, str]]:
    if not experiment.arms:
        yield experiment.traffic_split, "B"
    end = 0.0
    for arm in experiment.arms[1:]:
        end += arm.share
        yield end, arm.name


def _bound(end: float) -> bytes:
    """What a digest is below exactly if its bucket is below `end`."""
    first = min(math.ceil(end * _BUCKETS), _BUCKETS)
    # The product may have been rounded down to a bucket that the division still puts below the end.
    while first <= _BUCKETS and first / _BUCKETS < end:
        first += 1
    return first.to_bytes(4, "big") if first <= _BUCKETS else b"\xff" * 33


def _digest(text: str) -> bytes:
    digest: bytes = _SHA256(text.encode("utf-8", "surrogatepass")).digest()
    return digest


def _lean_sha256() -> Callable[[bytes], Any]:
    # As the standard library's random does: for so short a text, setting up OpenSSL costs more than the digest.
    for module in ("_sha2", "_sha256"):
        with suppress(ImportError, AttributeError):
            lean: Callable[[bytes], Any] = import_module(module).sha256
            return lean
    return hashlib.sha256


_SHA256 = _lean_sha256()
