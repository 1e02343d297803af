"""An experiment: which prompt versions are compared, on what share of sessions, and by what rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from kenshin import names
from kenshin.errors import InvalidExperiment, KenshinError
from kenshin.experiments.overrides import NONE, Overrides
from kenshin.experiments.policy import Policy

Status = Literal["draft", "running", "concluded", "cancelled"]
CONTROL = "A"
MINIMUM_SESSIONS = 30
EARLIEST, LATEST = 946_684_800, 7_258_118_400


@dataclass(frozen=True, slots=True)
class Arm:
    """One prompt version under test, and its share of the sessions (0 to 1)."""

    name: str
    prompt_version: str
    share: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """A definition, and the outcome once there is one.

    Args:
        experiment_id: name, see `kenshin.names`.
        prompt_a_version: the version in use, control.
        prompt_b_version: the candidate.
        traffic_split: share of sessions that get the candidate, 0 to 1.
        status: draft, running, concluded or cancelled.
        created_at: when, in seconds since the epoch.
        arms: all arms, control first, when there are more than two; then their shares replace `traffic_split`.
        phase: counts changes of the split, of an arm's prompt or of the holdout, from 1.
        unit: what one session is, in a reader's words.
        description: what is compared and why, in a reader's words; reports repeat it.
        randomised: what was assigned by chance, and how; reports repeat it.
        left_out: what the figures do not speak of; reports repeat it.
        score_unit: what a score of 0 and of 1 mean; reports repeat it.
        winner: the arm that won, once concluded.
        concluded_at: when it ended, in seconds since the epoch.
        overrides: arms by session id, for testers; such a session is never counted.
        holdout: share of all sessions, from 0 to below 1, that is in no experiment: they get control and are never
            counted. Every experiment holds out the same sessions first: those of a smaller share are among
            those of a larger one.

    Raises:
        InvalidExperiment: the definition contradicts itself.
    """

    experiment_id: str
    prompt_a_version: str
    prompt_b_version: str
    traffic_split: float = 0.5
    status: Status = "running"
    created_at: float = 0.0
    arms: tuple[Arm, ...] = ()
    phase: int = 1
    unit: str = "session"
    description: str = ""
    randomised: str = ""
    left_out: str = ""
    score_unit: str = ""
    winner: str | None = None
    concluded_at: float | None = None
    overrides: Mapping[str, str] = NONE
    holdout: float = 0.0
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        names.checked(self.experiment_id, what="an experiment")
        for name in ("prompt_a_version", "prompt_b_version"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                self._refuse(name, "no prompt version is named")
        if not _is_share(self.traffic_split):
            self._refuse("traffic_split", "not a share of the sessions from 0 to 1")
        if self.status not in get_args(Status):
            self._refuse("status", f"not one of {', '.join(get_args(Status))}")
        for name in ("created_at", "concluded_at"):
            instant = getattr(self, name)
            if instant is not None and instant != 0 and not _is_instant(instant):
                self._refuse(name, "not an instant in seconds since the epoch, from 2000 to 2200")
        if isinstance(self.phase, bool) or not isinstance(self.phase, int) or self.phase < 1:
            self._refuse("phase", "phases count from 1")
        self._check_arms()
        if self.winner is not None and self.winner not in self.arm_names():
            self._refuse("winner", f"the arms are {', '.join(self.arm_names())}")
        if not _is_share(self.holdout) or self.holdout == 1:
            self._refuse("holdout", "not a share of the sessions from 0 to below 1")
        self._check_overrides()
        if not isinstance(self.policy, Policy):
            self._refuse("policy", "not a policy")

    def all_arms(self) -> tuple[Arm, ...]:
        """Every arm, control first."""
        if self.arms:
            return self.arms
        return (
            Arm(CONTROL, self.prompt_a_version, 1 - self.traffic_split),
            Arm("B", self.prompt_b_version, self.traffic_split),
        )

    def arm_names(self) -> tuple[str, ...]:
        """The arms' names, control first."""
        return tuple(arm.name for arm in self.all_arms())

    def version_of(self, arm: str) -> str:
        """The prompt version of an arm.

        Raises:
            InvalidExperiment: the experiment has no such arm.
        """
        for each in self.all_arms():
            if each.name == arm:
                return each.prompt_version
        raise InvalidExperiment(
            value=arm,
            reason=f"'{self.experiment_id}' has no such arm",
            mend=f"Its arms are {', '.join(self.arm_names())}.",
        )

    def changed(self, **changes: Any) -> Experiment:
        """A copy with other values, checked again."""
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """The definition at a JSON edge."""
        return {**asdict(self), "overrides": dict(self.overrides), "policy": self.policy.as_dict()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Experiment:
        """Read a definition from JSON.

        Raises:
            InvalidExperiment: a key is unknown or missing, or a value is wrong.
        """
        known = {each.name for each in fields(cls)}
        unknown = sorted(set(raw) - known)
        if unknown:
            raise InvalidExperiment(
                value=", ".join(unknown), reason="unknown keys", mend=f"Known: {', '.join(sorted(known))}."
            )
        missing = sorted({"experiment_id", "prompt_a_version", "prompt_b_version"} - set(raw))
        if missing:
            raise InvalidExperiment(value=", ".join(missing), reason="missing", mend="Add the keys.")
        try:
            arms = tuple(Arm(**arm) for arm in raw.get("arms") or ())
            policy = Policy.from_dict({} if raw.get("policy") is None else raw["policy"])
            return cls(**{**raw, "arms": arms, "overrides": raw.get("overrides") or NONE, "policy": policy})
        except KenshinError:
            raise
        except TypeError as error:
            raise InvalidExperiment(
                value=raw.get("arms"),
                reason=f"cannot be read ({error})",
                mend="Each of arms[] has name, prompt_version and share.",
            ) from error

    def _check_arms(self) -> None:
        if not self.arms:
            return
        for arm in self.arms:
            names.checked(arm.name, what="an arm")
            if (
                not isinstance(arm.prompt_version, str)
                or not arm.prompt_version.strip()
                or not _is_share(arm.share)
            ):
                self._refuse("arms", f"arm '{arm.name}' needs a prompt_version and a share from 0 to 1")
        if len(self.arms) < 2 or len({arm.name for arm in self.arms}) != len(self.arms):
            self._refuse("arms", "at least two arms with different names are needed")
        if self.arms[0].name != CONTROL:
            self._refuse("arms", f"the first arm is control and is named '{CONTROL}'")
        if not math.isclose(sum(arm.share for arm in self.arms), 1.0, abs_tol=1e-9):
            self._refuse("arms", "the shares do not add up to 1")
        if (
            self.arms[0].prompt_version != self.prompt_a_version
            or self.arms[1].prompt_version != self.prompt_b_version
        ):
            self._refuse("arms", "the first two arms differ from prompt_a_version and prompt_b_version")

    def _check_overrides(self) -> None:
        if not isinstance(self.overrides, Mapping):
            self._refuse("overrides", "not a map from session ids to arms")
        for session_id, arm in self.overrides.items():
            if not isinstance(session_id, str) or not 1 <= len(session_id) <= 256:
                self._refuse("overrides", "a session id needs 1 to 256 characters")
            if arm not in self.arm_names():
                self._refuse("overrides", f"the arms are {', '.join(self.arm_names())}")
        if not isinstance(self.overrides, Overrides):
            object.__setattr__(self, "overrides", Overrides(self.overrides))

    def _refuse(self, field: str, reason: str) -> None:
        raise InvalidExperiment(
            value=f"{field}={getattr(self, field)!r}",
            reason=reason,
            mend=f"Correct '{field}' of experiment '{self.experiment_id}'.",
        )


def _is_instant(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and EARLIEST <= value <= LATEST


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
