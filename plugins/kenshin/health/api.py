"""The health of model calls, bound to the process's current runtime."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kenshin.current import current
from kenshin.health.async_wrapper import AsyncClientWrapper
from kenshin.health.breaker import Listener, Override
from kenshin.health.breakers import Breakers
from kenshin.health.instrumentation import Instrument, instrumented
from kenshin.health.overrides import (
    BreakerOverride,
    clear_override,
    now_as_text,
    overrides_in,
    set_override,
)
from kenshin.health.policy import BreakerPolicy
from kenshin.health.quota import QuotaPolicy, Quotas
from kenshin.health.surroundings import CallOptions, Surroundings
from kenshin.health.threads import InThreads
from kenshin.health.wrapper import ClientWrapper
from kenshin.signals.bedrock import model_name
from kenshin.signals.calls import UNSTAMPED, BedrockHealthMetrics
from kenshin.signals.context import CallListener
from kenshin.signals.record import Record

if TYPE_CHECKING:
    from kenshin.runtime import Runtime

logger = logging.getLogger(__name__)

TIERS_KEPT = 1024


class BedrockClientWrapper(ClientWrapper):
    """A boto3 client of ``bedrock-runtime`` whose calls of models are watched; see docs/health.md.

    What is not given comes from the process's current runtime.

    Args:
        client: of boto3.
        breakers: the breakers of models; see `own_breakers` for other thresholds.
        quotas: the account's quotas by model id, for the head-room.
        record: takes each call's record.
        tier: a model's tier by its id.
        listeners: hear of each finished call, beside the runtime's.
        capture: whether prompts and answers go into the record.
        clock: answers the present instant, aware.
        options: as of `with_options`: ``intent``, ``deadline``, ``fallbacks``, ``fallback_on_fault``,
            ``fallback_least_s``.

    Raises:
        InvalidPolicy: an option or a quota means nothing.
    """

    def __init__(
        self,
        client: Any,
        *,
        breakers: Breakers | None = None,
        quotas: Mapping[str, QuotaPolicy] | None = None,
        record: Callable[[Record], None] | None = None,
        tier: Callable[[str], str | None] | None = None,
        listeners: Iterable[CallListener] = (),
        capture: bool | None = None,
        clock: Callable[[], datetime] | None = None,
        **options: Any,
    ) -> None:
        around = _bound(breakers, quotas, record, tier, listeners, capture, clock)
        super().__init__(client, around, CallOptions(**options))


class AsyncBedrockClientWrapper(AsyncClientWrapper):
    """The async twin of `BedrockClientWrapper`, with the same arguments; see docs/health.md.

    Args:
        client: of aioboto3 or aiobotocore; or of boto3, whose calls then run in threads.
        breakers: the breakers of models.
        quotas: the account's quotas by model id.
        record: takes each call's record.
        tier: a model's tier by its id.
        listeners: hear of each finished call, beside the runtime's.
        capture: whether prompts and answers go into the record.
        clock: answers the present instant, aware.
        executor: runs the calls of a boto3 client; None: the event loop's own threads.
        options: as of `with_options`.

    Raises:
        InvalidPolicy: an option or a quota means nothing.
    """

    def __init__(
        self,
        client: Any,
        *,
        breakers: Breakers | None = None,
        quotas: Mapping[str, QuotaPolicy] | None = None,
        record: Callable[[Record], None] | None = None,
        tier: Callable[[str], str | None] | None = None,
        listeners: Iterable[CallListener] = (),
        capture: bool | None = None,
        clock: Callable[[], datetime] | None = None,
        executor: Executor | None = None,
        **options: Any,
    ) -> None:
        around = _bound(breakers, quotas, record, tier, listeners, capture, clock)
        super().__init__(
            client if executor is None else InThreads(client, executor), around, CallOptions(**options)
        )


def instrument(
    client: Any,
    *,
    refuses: bool = False,
    breakers: Breakers | None = None,
    quotas: Mapping[str, QuotaPolicy] | None = None,
    listeners: Iterable[CallListener] = (),
    intent: str = "",
    deadline: float | None = None,
) -> Instrument:
    """Watch a boto3 client that other code holds: the wrapper's record of each call, by botocore's events.

    A client is instrumented once: a second call answers the first one's instrument.

    Args:
        client: of boto3, for ``bedrock-runtime``.
        refuses: whether an open breaker raises `CircuitOpen` from the client's methods; else it only watches.
        breakers: the breakers of models; those of the current runtime unless given.
        quotas: the account's quotas by model id.
        listeners: hear of each finished call, beside the runtime's.
        intent: what the calls are about, where no trace says so.
        deadline: seconds that a call may take.

    Returns:
        What undoes it: `undo`, or the end of a ``with`` block.

    Raises:
        InvalidInput: not a client of boto3.
        InvalidPolicy: an option or a quota means nothing.
    """
    around = _bound(breakers, quotas, None, None, listeners, None, None)
    options = CallOptions(intent=intent, deadline=deadline)
    return instrumented(client, lambda: Instrument(client, around, options, refuses=refuses))


def emit_health_metrics(metrics: BedrockHealthMetrics) -> None:
    """Send out the record of a model call that was made elsewhere; it never raises.

    Args:
        metrics: the call; without an instant it gets the present one.
    """
    try:
        runtime = current()
        if metrics.at == UNSTAMPED:
            metrics = replace(metrics, at=runtime.clock())
        runtime.recorder.record(metrics)
    except Exception:
        logger.exception("Health metrics could not be recorded")


def own_breakers(
    policy: BreakerPolicy | None = None,
    *,
    by_model: Mapping[str, BreakerPolicy] | None = None,
    listeners: Iterable[Listener] = (),
) -> Breakers:
    """Breakers with thresholds of their own, under the same overrides as all others.

    Args:
        policy: of every breaker.
        by_model: of some models, by id.
        listeners: hear of every breaker's changes.
    """
    return Breakers(policy, by_model=by_model, listeners=listeners, documents=lambda: current().documents)


def breaker_overrides() -> Sequence[BreakerOverride]:
    """What is set by hand for all processes.

    Raises:
        InvalidInput: the document in the registry holds something else.
    """
    return overrides_in(current().documents)


def override_breaker(
    model_id: str, mode: Override, *, region: str | None = None, by: str = ""
) -> BreakerOverride:
    """Hold a model's breakers open or closed, in all processes within seconds.

    Args:
        model_id: any id; its last segment counts.
        mode: ``open`` or ``closed``.
        region: where; everywhere unless given.
        by: who wants it.

    Raises:
        InvalidInput: the mode is unknown, or the id empty.
    """
    runtime = current()
    made = BreakerOverride(model_name(model_id), mode, region, by, now_as_text(runtime.clock()))
    set_override(runtime.documents, made)
    return made


def clear_breaker(model_id: str, *, region: str | None = None) -> bool:
    """Let a model's breakers decide again; answers whether they were held.

    Args:
        model_id: any id; its last segment counts.
        region: for which the override was set; None: the one for everywhere.
    """
    return clear_override(current().documents, model_id, region)


def _bound(
    breakers: Breakers | None,
    quotas: Mapping[str, QuotaPolicy] | None,
    record: Callable[[Record], None] | None,
    tier: Callable[[str], str | None] | None,
    listeners: Iterable[CallListener],
    capture: bool | None,
    clock: Callable[[], datetime] | None,
) -> Callable[[], Surroundings]:
    """The surroundings in the runtime in force, made once for each runtime: a fork or a test puts another in force."""
    if quotas:
        Quotas(quotas)  # refuses at once what means nothing; those that count belong to a process
    own = tuple(listeners)
    made: tuple[Runtime, Surroundings] | None = None

    def around() -> Surroundings:
        nonlocal made
        runtime = current()
        held = made
        if held is not None and held[0] is runtime:
            return held[1]
        surroundings = Surroundings(
            record or runtime.recorder.record,
            (breakers or runtime.breakers).of,
            clock or runtime.clock,
            tier or _tiers(runtime),
            Quotas(quotas) if quotas else None,
            (*runtime.call_listeners, *own),
            runtime.settings.capture_content if capture is None else capture,
        )
        made = (runtime, surroundings)
        return surroundings

    return around


def _tiers(runtime: Runtime) -> Callable[[str], str | None]:
    models = runtime.models

    @lru_cache(TIERS_KEPT)
    def tier(model_id: str) -> str | None:
        return models.find(model_id).tier

    return tier
