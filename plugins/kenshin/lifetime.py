"""The life of a process: what has a thread or a file must hear of its end, and of a fork."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

FORK_WAITS_S = 2.0
"""So long a fork waits for background work at most; a store that hangs must not hold up a server for longer."""


class Living(Protocol):
    """Something that would lose or double its contents at the end of a process or in a fork."""

    def close(self) -> None:
        """Save what is held; called at the end of the process, perhaps more than once."""
        ...

    def after_fork(self) -> None:
        """Begin anew in the child: what was held belongs to the parent."""
        ...


def watch(living: Living) -> None:
    """Tell it of forks, and of this process's end, for as long as somebody else holds it."""
    _watched.add(living)


def watch_worker() -> None:
    """Also tell of the end of a worker of `multiprocessing`, which runs finalizers but nothing of `atexit`.

    To be called in the worker: what its parent registered is not run there.
    """
    global _worker
    processes = sys.modules.get("multiprocessing.process")
    if processes is None or processes.parent_process() is None or _worker == os.getpid():
        return
    from multiprocessing.util import Finalize

    _worker = os.getpid()
    Finalize(None, _close_all, exitpriority=10)


@contextmanager
def working() -> Iterator[None]:
    """Let no fork happen meanwhile: for a background thread that imports modules, or holds locks that are not ours.

    A forked child has the locks of its parent's threads, but not the threads: a module that was just being imported, or
    SQLite's own mutex, would stay locked in it for ever.
    """
    me, here = threading.get_ident(), _work
    with here:
        _at_work.add(me)
    try:
        yield
    finally:
        with here:
            _at_work.discard(me)
            here.notify_all()


def _before_fork() -> None:
    _work.acquire()
    until = time.monotonic() + FORK_WAITS_S
    while _at_work - {threading.get_ident()} and (left := until - time.monotonic()) > 0:
        _work.wait(left)


def _after_fork_in_parent() -> None:
    _work.release()


def _close_all() -> None:
    for living in list(_watched):
        living.close()


def _after_fork_in_child() -> None:
    global _work
    _work = threading.Condition()
    _at_work.clear()
    for living in list(_watched):
        living.after_fork()


_watched: weakref.WeakSet[Living] = weakref.WeakSet()
_worker: int | None = None
_work = threading.Condition()
_at_work: set[int] = set()
atexit.register(_close_all)
os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
