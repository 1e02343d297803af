"""Head-room: how much of a model's quotas per minute this process has left.

Bedrock takes the prompt's tokens and the whole of ``maxTokens`` from the quota when a call begins. So does this, with
the estimate of the budget check where one was made, and puts it right once the usage is known. Each process counts its
own calls alone: of an account that several processes share, the figures are an upper bound.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kenshin.errors import InvalidPolicy
from kenshin.signals.bedrock import model_name

MINUTE = 60


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """The quotas of one model, as the account has them.

    Args:
        requests_per_minute: None: not declared.
        tokens_per_minute: None: not declared.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidPolicy(
                    value=f"{name}={value!r}", reason="is no quota", mend="Give a whole number from 1."
                )


@dataclass(frozen=True, slots=True)
class Headroom:
    """Shares of the quotas that are left, in percent; None where none is declared, below 0 where more was used."""

    requests_pct: float | None
    tokens_pct: float | None


class Booking:
    """What a call has taken from its quotas."""

    __slots__ = ("_meter", "_reserved", "_second", "_stated")

    def __init__(self, meter: _Meter, second: int, reserved: int, stated: int) -> None:
        self._meter = meter
        self._second = second
        self._reserved = reserved
        self._stated = stated

    def settle(self, prompt_tokens: int | None, retries: int) -> Headroom:
        """Put the booking right and answer what is left now.

        Args:
            prompt_tokens: what the model reported of the prompt; None: nothing, so the estimate stays.
            retries: tries beyond the first; each counts against the quota of requests.
        """
        tokens = 0 if prompt_tokens is None else prompt_tokens + self._stated - self._reserved
        return self._meter.settled(self._second, retries, tokens)


class Quotas:
    """The quotas of several models, by model id.

    Args:
        policies: by model id; regional profiles have quotas of their own.
        clock: monotonic seconds.

    Raises:
        InvalidPolicy: something else than a `QuotaPolicy` is declared.
    """

    def __init__(
        self, policies: Mapping[str, QuotaPolicy], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        for model, policy in policies.items():
            if not isinstance(policy, QuotaPolicy):
                raise InvalidPolicy(
                    value=f"{model}: {policy!r}",
                    reason="is no quota",
                    mend="Give a QuotaPolicy for each model.",
                )
        self._meters = {model_name(model): _Meter(policy, clock) for model, policy in policies.items()}

    def covers(self, model_id: str) -> bool:
        """Whether a quota of the model is declared."""
        return model_name(model_id) in self._meters

    def book(self, model_id: str, estimate: int, max_tokens: int) -> Booking | None:
        """Take a call that begins now from the quotas of its model; None: none are declared.

        Args:
            model_id: the model as it is called.
            estimate: of the prompt, in tokens.
            max_tokens: what the answer may be at most, in tokens.
        """
        meter = self._meters.get(model_name(model_id))
        if meter is None:
            return None
        reserved = estimate + max_tokens
        return Booking(meter, meter.booked(reserved), reserved, max_tokens)


class _Meter:
    """The last minute of one model, in buckets of a second."""

    def __init__(self, policy: QuotaPolicy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[int, list[int]] = {}
        self._requests = self._tokens = 0
        self._forgotten = 0

    def booked(self, tokens: int) -> int:
        with self._lock:
            second = int(self._clock())
            self._forget(second - MINUTE)
            self._add(second, 1, tokens)
            return second

    def settled(self, second: int, requests: int, tokens: int) -> Headroom:
        with self._lock:
            self._forget(int(self._clock()) - MINUTE)
            if second in self._buckets:
                self._add(second, requests, tokens)
            return Headroom(
                _left(self._requests, self._policy.requests_per_minute),
                _left(self._tokens, self._policy.tokens_per_minute),
            )

    def _add(self, second: int, requests: int, tokens: int) -> None:
        bucket = self._buckets.setdefault(second, [0, 0])
        bucket[0] += requests
        bucket[1] += tokens
        self._requests += requests
        self._tokens += tokens

    def _forget(self, until: int) -> None:
        if until == self._forgotten:
            return
        self._forgotten = until
        for second in [each for each in self._buckets if each <= until]:
            requests, tokens = self._buckets.pop(second)
            self._requests -= requests
            self._tokens -= tokens


def _left(used: int, quota: int | None) -> float | None:
    return None if quota is None else round(100 * (1 - used / quota), 2)
