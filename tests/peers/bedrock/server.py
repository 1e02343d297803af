"""The stand-in as a server on 127.0.0.1."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any

from peers.bedrock.faults import Fault, FaultPlan
from peers.bedrock.journal import Entry, Journal
from peers.bedrock.operations import Model, Operations
from peers.bedrock.requests import Request
from peers.bedrock.shapes import service

STREAMS = ("ConverseStream", "InvokeModelWithResponseStream")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast answers come: after `first_s`, and then `token_s` a token, in seconds."""

    first_s: float = 0.0
    token_s: float = 0.0


class _Server(ThreadingMixIn, TCPServer):
    """Threads and connections, both of which end with the server."""

    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port: int, handler: type[Request]) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection before its thread begins."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End every connection, so that its thread ends."""
        with self._guard:
            for each in self._open:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class BedrockPeer:
    """A Bedrock runtime on this machine, from `start` to `stop`, or while the context lasts.

    Args:
        model: what it says and how it counts.
        faults: what goes wrong; `set_faults` changes it.
        seed: of the faults' draws.
        pace: how fast it answers.
        port: 0: any free one.
    """

    def __init__(
        self,
        *,
        model: Model | None = None,
        faults: Iterable[Fault] = (),
        seed: int = 0,
        pace: Pace | None = None,
        port: int = 0,
    ) -> None:
        self.service = service()
        self.operations = Operations(model or Model())
        self.pace = pace or Pace()
        self.journal = Journal()
        self.faults = FaultPlan()
        self.set_faults(faults, seed=seed)
        self._stopping = threading.Event()
        self._server = _Server(port, type("Connection", (Request,), {"peer": self}))
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The `endpoint_url` for boto3."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[Entry]:
        """Every request so far."""
        return self.journal.entries()

    def set_faults(self, faults: Iterable[Fault], *, seed: int = 0) -> None:
        """Put other rules in force.

        Raises:
            ValueError: a rule's code is no error that the service declares, or none that the stream can carry.
        """
        rules = list(faults)
        for fault in rules:
            self._check(fault)
        self.faults.set(rules, seed=seed)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than the server runs."""
        if seconds > 0:
            self._stopping.wait(seconds)

    def start(self) -> None:
        """Serve, in threads of its own."""
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="bedrock-peer",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody; returns when no thread of the server is left."""
        self._stopping.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> BedrockPeer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _check(self, fault: Fault) -> None:
        if fault.kind == "error" and fault.code not in self.service.errors:
            raise ValueError(f"unknown code {fault.code!r}; known: {', '.join(sorted(self.service.errors))}")
        if fault.kind == "stream_error":
            for name in STREAMS:
                if fnmatchcase(name, fault.operation):
                    try:
                        self.service.stream_error(self.service.model.operation_model(name), fault.code)
                    except KeyError as error:
                        raise ValueError(str(error)) from error
