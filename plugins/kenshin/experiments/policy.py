"""The policy of an experiment: by what rules it is judged night after night, and who carries a verdict out.

The rules are part of the definition and are fixed once the experiment runs: a level, a horizon or a guardrail that is
chosen after figures were seen is no longer what it claims to be. Who is asked, and how long, may change: no figure
depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NoReturn, get_args

from kenshin.errors import InvalidExperiment, KenshinError

Spending = Literal["obrien_fleming", "pocock"]
Correction = Literal["holm", "bonferroni"]
Direction = Literal["higher", "lower"]
OnTimeout = Literal["keep_running", "promote"]

SCORE = "quality_score"
NOT_CUT = (SCORE, "turns", "observations")
"""The score lies from 0 to 1 as it is, and a session's observations are no values of theirs."""

LEAST_SESSIONS = 30
"""The proof of concept's minimum; a policy may ask for more."""

EXTENSION_SHARE = 0.2
"""The share of alpha that is kept for what follows the horizon, where a policy extends: .01 of .05."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A figure that a candidate must not harm.

    Args:
        metric: ``latency_ms``, ``latency_ms.p95``, ``turns`` (observations a session), or any further metric of the
            observations, such as ``cost`` or ``error``; never the score, which the experiment itself is about.
        margin_relative: by which share of control's figure it may be worse, e.g. 0.05.
        worse: in which direction it gets worse.
    """

    metric: str
    margin_relative: float
    worse: Direction = "higher"

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric.strip() or self.metric == SCORE:
            _refuse("guardrails.metric", self.metric, "not the name of a metric beside the score")
        if not _within(self.margin_relative, 0, 1, low_open=True):
            _refuse("guardrails.margin_relative", self.margin_relative, "not a share above 0, up to 1")
        if self.worse not in get_args(Direction):
            _refuse("guardrails.worse", self.worse, "neither 'higher' nor 'lower'")


@dataclass(frozen=True, slots=True)
class Promotion:
    """Who carries a verdict out; may be changed while the experiment runs.

    Args:
        approvers: Airflow users who may answer; empty: whoever may answer in Airflow.
        answer_within_hours: how long the question stands.
        on_timeout: what silence means: nothing changes, or the winner is promoted where the figures allow that
            without a person (`Decision.automatic_allowed`).
        auto_roll_back: whether an arm that harms a guardrail is taken back without asking.
    """

    approvers: tuple[str, ...] = ()
    answer_within_hours: float = 72
    on_timeout: OnTimeout = "keep_running"
    auto_roll_back: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.approvers, str) or not all(
            isinstance(each, str) and each.strip() for each in self.approvers
        ):
            _refuse("promotion.approvers", self.approvers, "not a list of user names")
        object.__setattr__(self, "approvers", tuple(self.approvers))
        if not _within(self.answer_within_hours, 0, 24 * 90, low_open=True):
            _refuse(
                "promotion.answer_within_hours", self.answer_within_hours, "not hours above 0, up to 2160"
            )
        if self.on_timeout not in get_args(OnTimeout):
            _refuse("promotion.on_timeout", self.on_timeout, f"not one of {', '.join(get_args(OnTimeout))}")
        if not isinstance(self.auto_roll_back, bool):
            _refuse("promotion.auto_roll_back", self.auto_roll_back, "neither true nor false")


@dataclass(frozen=True, slots=True)
class Policy:
    """By what rules an experiment is judged.

    Args:
        alpha: the chance of a false decision over all nights and arms together, two-sided.
        spending: how alpha is spent over the nights: little at first (O'Brien-Fleming type), or evenly (Pocock type).
        horizon_nights: after so many nights alpha is spent.
        minimum_nights: nights with observations before the first decision; earlier looks spend nothing.
        minimum_sessions: scored sessions that every arm needs, at least 30.
        correction: how alpha is divided among several candidates.
        extend: whether the experiment goes on after the horizon, on a fifth of alpha that is kept back for it.
        futility: below this conditional power a candidate is given up; None never gives up.
        srm_alpha: the nights are held where the e-value of the sample ratio reaches 1/srm_alpha.
        crossing_share: the share of sessions seen in several arms above which the nights are held.
        guardrails: what a candidate must not harm; none unless declared.
        minimal_effect: the smallest difference of the score that matters; None: the one that the sample can detect.
        winsorise: metrics whose values are cut at a percentile of all arms' values, e.g. ``{"cost": 99}``: latency, or
            any further metric of the observations.
        cuped: whether a covariate known before the exposure sharpens the estimate.
        promotion: who carries a verdict out.

    Raises:
        InvalidExperiment: a value is none that it can have.
    """

    alpha: float = 0.05
    spending: Spending = "obrien_fleming"
    horizon_nights: int = 14
    minimum_nights: int = 2
    minimum_sessions: int = LEAST_SESSIONS
    correction: Correction = "holm"
    extend: bool = False
    futility: float | None = 0.10
    srm_alpha: float = 0.001
    crossing_share: float = 0.01
    guardrails: tuple[Guardrail, ...] = ()
    minimal_effect: float | None = None
    winsorise: Mapping[str, float] = field(default_factory=dict, hash=False)
    cuped: bool = True
    promotion: Promotion = field(default_factory=Promotion)

    def __post_init__(self) -> None:
        for name, low, high in (("alpha", 0, 0.5), ("srm_alpha", 0, 0.5)):
            if not _within(getattr(self, name), low, high, low_open=True):
                _refuse(name, getattr(self, name), f"not a chance above 0, up to {high}")
        for name, kind in (("spending", Spending), ("correction", Correction)):
            if getattr(self, name) not in get_args(kind):
                _refuse(name, getattr(self, name), f"not one of {', '.join(get_args(kind))}")
        for name, low, high in (("horizon_nights", 1, 366), ("minimum_nights", 1, 366)):
            if not _whole(getattr(self, name), low, high):
                _refuse(name, getattr(self, name), f"not a whole number from {low} to {high}")
        if self.minimum_nights > self.horizon_nights:
            _refuse("minimum_nights", self.minimum_nights, "more than horizon_nights")
        if not _whole(self.minimum_sessions, LEAST_SESSIONS, 10**9):
            _refuse("minimum_sessions", self.minimum_sessions, f"not a whole number from {LEAST_SESSIONS}")
        if self.futility is not None and not _within(self.futility, 0, 0.5, low_open=True):
            _refuse("futility", self.futility, "neither null nor a conditional power above 0, up to 0.5")
        if not _within(self.crossing_share, 0, 1):
            _refuse("crossing_share", self.crossing_share, "not a share of the sessions from 0 to 1")
        if self.minimal_effect is not None and not _within(self.minimal_effect, 0, 1e9, low_open=True):
            _refuse("minimal_effect", self.minimal_effect, "neither null nor a difference above 0")
        for name in ("extend", "cuped"):
            if not isinstance(getattr(self, name), bool):
                _refuse(name, getattr(self, name), "neither true nor false")
        self._check_parts()

    @property
    def spending_alpha(self) -> float:
        """Alpha that is spent until the horizon."""
        return self.alpha * (1 - EXTENSION_SHARE) if self.extend else self.alpha

    @property
    def extension_alpha(self) -> float:
        """Alpha that is kept for the nights after the horizon."""
        return self.alpha * EXTENSION_SHARE if self.extend else 0.0

    def rules(self) -> dict[str, Any]:
        """All that figures depend on: what is fixed once the experiment runs."""
        return {name: value for name, value in self.as_dict().items() if name != "promotion"}

    def as_dict(self) -> dict[str, Any]:
        """The policy at a JSON edge."""
        body = asdict(self)
        body["guardrails"] = [asdict(each) for each in self.guardrails]
        body["winsorise"] = dict(self.winsorise)
        body["promotion"]["approvers"] = list(self.promotion.approvers)
        return body

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Policy:
        """Read a policy from JSON; what it leaves out is the default.

        Raises:
            InvalidExperiment: a key is unknown, or a value is wrong.
        """
        body = _known(raw, cls, "policy")
        if "guardrails" in body:
            if not isinstance(body["guardrails"], list | tuple):
                _refuse("guardrails", body["guardrails"], "not a list")
            body["guardrails"] = tuple(_made(each, Guardrail, "guardrails[]") for each in body["guardrails"])
        if "promotion" in body:
            body["promotion"] = _made(body["promotion"], Promotion, "promotion")
        return cls(**body)

    def _check_parts(self) -> None:
        if not all(isinstance(each, Guardrail) for each in self.guardrails):
            _refuse("guardrails", self.guardrails, "not a list of guardrails")
        object.__setattr__(self, "guardrails", tuple(self.guardrails))
        metrics = [each.metric for each in self.guardrails]
        if len(set(metrics)) != len(metrics):
            _refuse("guardrails", metrics, "a metric is guarded once")
        if not isinstance(self.winsorise, Mapping):
            _refuse("winsorise", self.winsorise, "not a map from metrics to percentiles")
        for metric, percentile in self.winsorise.items():
            if not isinstance(metric, str) or not metric.strip() or metric in NOT_CUT:
                _refuse(
                    "winsorise", metric, f"not a metric with values to cut, as {', '.join(NOT_CUT)} are none"
                )
            if not _within(percentile, 50, 100) or percentile == 100:
                _refuse("winsorise", {metric: percentile}, "a percentile lies from 50 to below 100")
        object.__setattr__(self, "winsorise", dict(self.winsorise))
        if not isinstance(self.promotion, Promotion):
            _refuse("promotion", self.promotion, "not the settings of a promotion")


def _known(raw: object, kind: type, what: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        _refuse(what, raw, "not an object")
    names = [each.name for each in fields(kind)]
    unknown = sorted(set(raw) - set(names))
    if unknown:
        raise InvalidExperiment(
            value=", ".join(unknown), reason=f"unknown keys of '{what}'", mend=f"Known: {', '.join(names)}."
        )
    return dict(raw)


def _made(raw: object, kind: type, what: str) -> Any:
    body = _known(raw, kind, what)
    try:
        return kind(**body)
    except KenshinError:
        raise
    except TypeError as error:
        raise InvalidExperiment(
            value=raw, reason=f"'{what}' cannot be read ({error})", mend=f"Correct '{what}' of the policy."
        ) from error


def _within(value: object, low: float, high: float, *, low_open: bool = False) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return (low < value if low_open else low <= value) and value <= high


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _refuse(name: str, value: object, reason: str) -> NoReturn:
    raise InvalidExperiment(
        value=f"policy.{name}={value!r}", reason=reason, mend=f"Correct '{name}' of the policy."
    )
