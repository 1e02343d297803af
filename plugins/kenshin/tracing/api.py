"""The trace pipeline, bound to the process's current runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING

from kenshin.current import current
from kenshin.signals.traces import PromptTraced
from kenshin.tracing.pipeline import MAX_OPEN, MAX_SPANS, Listener, TracePipeline

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from kenshin.signals.recorder import Recorder


class PromptObservabilityPipeline(TracePipeline):
    """Instruments prompt execution; without arguments, with the recorder and the clock of the current runtime.

    Args:
        recorder: where finished traces go.
        clock: answers the present instant, aware.
        listeners: as the other arguments, see `kenshin.tracing.pipeline.TracePipeline`.
        timer: answers seconds, and never goes back.
        entropy: answers so many random bytes, for ids.
        max_open: so many open traces are known.
        max_spans: so many spans of a trace are kept.
        otel: live OpenTelemetry spans too; None: if a provider is set.
        tracer_provider: instead of the one that is set.

    Raises:
        BackendUnavailable: `otel` is True, and OpenTelemetry is not installed.
    """

    def __init__(
        self,
        *,
        recorder: Recorder | None = None,
        clock: Callable[[], datetime] | None = None,
        listeners: Sequence[Listener] = (),
        timer: Callable[[], float] = perf_counter,
        entropy: Callable[[int], bytes] = os.urandom,
        max_open: int = MAX_OPEN,
        max_spans: int = MAX_SPANS,
        otel: bool | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        super().__init__(
            _record if recorder is None else recorder.record,
            _now if clock is None else clock,
            listeners=listeners,
            timer=timer,
            entropy=entropy,
            max_open=max_open,
            max_spans=max_spans,
            otel=otel,
            tracer_provider=tracer_provider,
        )


def _record(record: PromptTraced) -> None:
    current().recorder.record(record)


def _now() -> datetime:
    return current().clock()
