"""The process's current runtime: made from the environment on first use, forgotten after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kenshin.runtime import Runtime

_lock = threading.Lock()
_current: Runtime | None = None


def current() -> Runtime:
    """The runtime in force; the first call makes it from the environment."""
    global _current
    runtime = _current
    if runtime is not None:
        return runtime
    with _lock:
        if _current is None:
            from kenshin.runtime import Runtime

            _current = Runtime.from_env()
        return _current


@contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Put another runtime in force for a while: in tests, and in the tasks of a DAG."""
    global _current
    with _lock:
        before, _current = _current, runtime
    try:
        yield runtime
    finally:
        with _lock:
            _current = before


def _forget() -> None:
    global _current, _lock
    _lock = threading.Lock()
    _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
