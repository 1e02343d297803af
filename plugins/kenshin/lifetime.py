"""The life of a process: what has a thread or a file must hear of its end, and of a fork."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from typing import Protocol


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


def _close_all() -> None:
    for living in list(_watched):
        living.close()


def _after_fork() -> None:
    for living in list(_watched):
        living.after_fork()


_watched: weakref.WeakSet[Living] = weakref.WeakSet()
_worker: int | None = None
atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
