"""What Kenshin raises: every error names the value, the reason and the mend."""

from __future__ import annotations

from typing import Any, ClassVar


class KenshinError(Exception):
    """Base of all errors that Kenshin raises on purpose.

    Args:
        value: what was wrong, as the user would recognise it.
        reason: why it cannot be used.
        mend: what to do about it.
    """

    title: ClassVar[str] = "Kenshin cannot go on"

    def __init__(self, *, value: object, reason: str, mend: str) -> None:
        self.value = value
        self.reason = reason
        self.mend = mend
        super().__init__(f"{self.title}: {value!r}: {reason}. {mend}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.value, self.reason, self.mend)

    def as_dict(self) -> dict[str, str]:
        """The error at a JSON edge."""
        return {
            "error": self.title,
            "type": type(self).__name__,
            "value": str(self.value),
            "reason": self.reason,
            "mend": self.mend,
        }


def _rebuild(kind: type[KenshinError], value: object, reason: str, mend: str) -> KenshinError:
    return kind(value=value, reason=reason, mend=mend)


class SettingError(KenshinError):
    """A setting cannot be read or means nothing."""

    title = "Setting refused"


class UnknownScheme(SettingError):
    """A port's URL has a scheme that no backend claims."""

    title = "Unknown URL scheme"


class InvalidName(KenshinError):
    """A name cannot become a path or a key."""

    title = "Name refused"


class InvalidInput(KenshinError):
    """A parameter, a file or a payload cannot be used."""

    title = "Input refused"


class InvalidExperiment(KenshinError):
    """An experiment's definition contradicts itself."""

    title = "Experiment refused"


class InvalidObservation(KenshinError):
    """An observation cannot be counted."""

    title = "Observation refused"


class ExperimentNotFound(KenshinError):
    """The registry does not know the experiment."""

    title = "Experiment not found"


class UnknownModel(KenshinError):
    """The model registry has no entry for an id."""

    title = "Unknown model"


class InvalidPolicy(KenshinError):
    """A budget policy contradicts itself or leaves no budget."""

    title = "Policy refused"


class CircuitOpen(KenshinError):
    """A model's circuit breaker lets no call through, and no other model may be called instead."""

    title = "Circuit open"


class DeadlineExceeded(KenshinError):
    """The time that a request was given is over."""

    title = "Deadline exceeded"


class ContextBudgetExceeded(KenshinError):
    """A prompt does not fit its budget, though all went that may go.

    Args:
        value: the prompt's upper bound and the limit.
        reason: what is left.
        mend: what to do about it.
        best: the best attempt, a `kenshin.budget.fitting.result.BudgetFit`.
    """

    title = "Context budget exceeded"

    def __init__(self, *, value: object, reason: str, mend: str, best: Any = None) -> None:
        super().__init__(value=value, reason=reason, mend=mend)
        self.best = best

    def __reduce__(self) -> tuple[object, ...]:
        return *super().__reduce__(), {"best": self.best}


class Conflict(KenshinError):
    """Somebody else wrote first."""

    title = "Conflict"


class PromotionRefused(KenshinError):
    """An answer cannot be carried out: what it speaks of has changed, or another person has to give it."""

    title = "Promotion refused"


class NotFound(KenshinError):
    """A key that was expected is not there."""

    title = "Not found"


class BackendUnavailable(KenshinError):
    """A backend is missing, unreachable or broken."""

    title = "Backend unavailable"
