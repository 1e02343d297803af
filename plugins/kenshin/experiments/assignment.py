"""Assignment: which arm a session is in, and which prompt version it gets.

A session's bucket is a number from 0 to 1 made of SHA-256 of ``experiment_id:session_id``, so every process,
on every machine, at any time gives the session the same arm, and two experiments divide the sessions
independently.
"""

from __future__ import annotations

from hashlib import sha256

from kenshin.experiments.experiment import CONTROL, Experiment

_BUCKETS = 0xFFFFFFFF


def bucket(experiment_id: str, session_id: str) -> float:
    """Where a session stands between 0 and 1 (both possible): the digest's first 32 bits over 2³² − 1."""
    digest = sha256(f"{experiment_id}:{session_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") / _BUCKETS


def assign(experiment: Experiment, session_id: str) -> str:
    """The session's arm.

    The candidates take consecutive intervals of the buckets from 0 on, each as long as its share; what
    remains is control's. With two arms that is: the candidate below `traffic_split`. An experiment that is
    not running answers control.
    """
    if experiment.status != "running":
        return CONTROL
    place = bucket(experiment.experiment_id, session_id)
    end = 0.0
    for arm in experiment.all_arms()[1:]:
        end += arm.share
        if place < end:
            return arm.name
    return CONTROL


def prompt_version(experiment: Experiment, session_id: str) -> str:
    """The prompt version of the session's arm; once the experiment is concluded, the winner's."""
    if experiment.status == "concluded" and experiment.winner is not None:
        return experiment.version_of(experiment.winner)
    return experiment.version_of(assign(experiment, session_id))
