"""One HTTP connection to the stand-in: reads requests, answers them, and does what a fault says instead."""

from __future__ import annotations

import json
import os
import socket
import struct
import traceback
import uuid
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from peers.bedrock import eventstream
from peers.bedrock.faults import Fault
from peers.bedrock.journal import Entry
from peers.bedrock.operations import Answer
from peers.bedrock.shapes import Route, ServiceError, headers_of

if TYPE_CHECKING:
    from peers.bedrock.server import BedrockPeer

MOST_BYTES = 25_000_000
CONTROL = "/_peer/"
EVENTS_BETWEEN = 8
"""So many tokens pass, as the pace reckons, from one delta of a stream to the next."""


class Request(BaseHTTPRequestHandler):
    """Serves one connection; `peer` is the stand-in it belongs to."""

    peer: BedrockPeer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "BedrockStandIn", ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 300

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; the journal remembers."""

    def do_GET(self) -> None:
        """Answer a control path."""
        self._any("GET")

    def do_POST(self) -> None:
        """Answer an operation or a control path."""
        self._any("POST")

    def do_PUT(self) -> None:
        """Answer a control path."""
        self._any("PUT")

    def do_DELETE(self) -> None:
        """Answer a control path."""
        self._any("DELETE")

    def _any(self, method: str) -> None:
        body = self._body()
        if body is None:
            return
        target = urlsplit(self.path)
        if target.path.startswith(CONTROL):
            if not self._own():
                self._answer({"message": "pages of other sites may not ask"}, 403)
                return
            self._control(method, target.path.removeprefix(CONTROL), target.query, body)
            return
        route = self.peer.service.route(method, target.path)
        request_id = str(uuid.uuid4())
        if route is None:
            self._error(ServiceError("UnknownOperationException", "No such operation"), 404, request_id)
            return
        self._operation(route, body, request_id)

    def _operation(self, route: Route, body: bytes, request_id: str) -> None:
        peer, name = self.peer, route.operation.name
        model_id = route.uri.get("modelId", "")
        entry = peer.journal.open(
            name,
            model_id,
            request_id,
            self.headers.get("amz-sdk-invocation-id", ""),
            _attempt(self.headers.get("amz-sdk-request", "")),
        )
        try:
            self._authorised()
            said = peer.service.parse(route, _lower(self.headers.items()), body)
            streams = route.operation.has_event_stream_output
            fault = peer.faults.draw(name, model_id, streams=streams)
            if fault is not None and not self._struck(fault, entry):
                return
            answer = self._answered(route, said)
        except ServiceError as error:
            status = peer.service.errors.get(error.code, 403)
            entry.status, entry.code = status, error.code
            entry.elapsed_ms = peer.journal.elapsed_ms(entry)
            entry.complete = True
            self._error(error, status, request_id)
            return
        entry.status, entry.stop_reason = 200, answer.stop_reason
        usage = answer.usage
        entry.input_tokens, entry.output_tokens = usage.input, usage.output
        entry.cache_read_tokens, entry.cache_write_tokens = usage.cache_read, usage.cache_write
        if answer.events is not None:
            self._stream(route, answer, entry, fault)
        else:
            self._whole(route, answer, entry)

    def _answered(self, route: Route, said: dict[str, Any]) -> Answer:
        try:
            return self.peer.operations.run(route, said)
        except ServiceError:
            raise
        except Exception as error:
            # E.g. an answer function of a test: the caller gets a 500, and whoever wrote it reads why.
            traceback.print_exc()
            raise ServiceError("InternalServerException", f"The stand-in failed: {error!r}") from error

    def _struck(self, fault: Fault, entry: Entry) -> bool:
        """Do what a fault says; answers whether the request is to be answered all the same.

        Raises:
            ServiceError: the fault is one.
        """
        entry.fault = fault.kind
        if fault.kind in {"error", "stream_error"}:
            entry.fault = f"{fault.kind}:{fault.code}"
        if fault.kind == "error":
            raise ServiceError(fault.code, f"{fault.code}, injected")
        if fault.kind == "slow":
            self.peer.wait(fault.delay_s)
        elif fault.kind == "hang":
            self._hang(fault.delay_s)
            entry.elapsed_ms = self.peer.journal.elapsed_ms(entry)
            self.close_connection = True
            return False
        elif fault.kind == "reset":
            entry.elapsed_ms = self.peer.journal.elapsed_ms(entry)
            self._reset()
            return False
        return True

    def _hang(self, delay_s: float) -> None:
        """Say nothing until the time is over, the client hangs up, or the server stops."""
        self.connection.settimeout(delay_s)
        try:
            self.connection.recv(1)
        except OSError:
            return

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # The files made of the socket would keep it open: its descriptor is closed under them.
        os.close(self.connection.detach())

    def _whole(self, route: Route, answer: Answer, entry: Entry) -> None:
        peer, shape = self.peer, route.operation.output_shape
        peer.wait(peer.pace.first_s + peer.pace.token_s * answer.usage.output)

        def elapsed() -> int:
            return round(peer.journal.elapsed_ms(entry))

        assert answer.output is not None
        output = answer.output(elapsed)
        headers = dict(headers_of(output, shape)) | answer.headers(elapsed)
        payload = shape.serialization.get("payload")
        body = output[payload] if payload else _json(peer.service.render(output, shape))
        entry.elapsed_ms, entry.complete = peer.journal.elapsed_ms(entry), True
        self._send(200, body, entry.request_id, {"Content-Type": "application/json", **headers})

    def _stream(self, route: Route, answer: Answer, entry: Entry, fault: Fault | None) -> None:
        peer = self.peer
        content = {"contentType": "application/json"}
        headers = dict(headers_of(content, route.operation.output_shape))
        self.send_response(200)
        headers |= {
            "Content-Type": eventstream.CONTENT_TYPE,
            "Transfer-Encoding": "chunked",
            "x-amzn-RequestId": entry.request_id,
        }
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        peer.wait(peer.pace.first_s)
        broken = fault if fault is not None and fault.kind in {"broken_stream", "stream_error"} else None
        for number, frame in enumerate(self._frames(route, answer, entry)):
            if broken is not None and number >= broken.after_events:
                self._break(route, broken, frame, entry)
                return
            self._chunk(frame)
            peer.wait(peer.pace.token_s * EVENTS_BETWEEN)
        if broken is not None:
            self._break(route, broken, eventstream.event("metadata", {}), entry)
            return
        entry.elapsed_ms, entry.complete = peer.journal.elapsed_ms(entry), True
        self.wfile.write(b"0\r\n\r\n")

    def _frames(self, route: Route, answer: Answer, entry: Entry) -> Iterator[bytes]:
        peer = self.peer
        assert answer.events is not None
        for name, payload in answer.events(lambda: round(peer.journal.elapsed_ms(entry))):
            shape = peer.service.event_shape(route.operation, name)
            yield eventstream.event(name, peer.service.render(payload, shape))

    def _break(self, route: Route, fault: Fault, frame: bytes, entry: Entry) -> None:
        """End a stream with an exception, or in the middle of a frame."""
        entry.elapsed_ms = self.peer.journal.elapsed_ms(entry)
        # Usage comes last in a stream: nobody was told.
        entry.input_tokens = entry.output_tokens = entry.cache_read_tokens = entry.cache_write_tokens = 0
        entry.stop_reason = None
        if fault.kind == "stream_error":
            entry.code = fault.code
            name = self.peer.service.stream_error(route.operation, fault.code)
            self._chunk(eventstream.exception(name, {"message": f"{fault.code}, injected"}))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.wfile.write(b"%x\r\n%s" % (len(frame), frame[: len(frame) // 2]))
        self.close_connection = True

    def _chunk(self, frame: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        self.wfile.flush()

    def _control(self, method: str, name: str, query: str, body: bytes) -> None:
        peer = self.peer
        if name == "log" and method == "GET":
            since = parse_qs(query).get("since", ["0"])[0]
            self._answer(peer.journal.as_json(int(since) if since.isdecimal() else 0))
        elif name == "faults" and method == "GET":
            self._answer({"faults": peer.faults.state()})
        elif name == "faults" and method == "DELETE":
            peer.set_faults(())
            self._answer({"faults": []})
        elif name == "faults" and method == "PUT":
            try:
                said = json.loads(body)
                peer.set_faults([Fault.of(each) for each in said["faults"]], seed=said.get("seed", 0))
            except (ValueError, TypeError, KeyError) as error:
                self._answer({"message": f"no plan of faults: {error}"}, 400)
            else:
                self._answer({"faults": peer.faults.state()})
        else:
            self._answer({"message": "GET log?since=, GET, PUT or DELETE faults"}, 404)

    def _own(self) -> bool:
        """Whether a request was made by no page of a browser, and not by way of another name that points here."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        return host in {"127.0.0.1", "localhost"} and "Origin" not in self.headers

    def _answer(self, value: Any, status: int = 200) -> None:
        self._send(status, _json(value), None, {"Content-Type": "application/json"})

    def _error(self, error: ServiceError, status: int, request_id: str) -> None:
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
        self._send(status, _json({"message": error.message}), request_id, headers)

    def _send(self, status: int, body: bytes, request_id: str | None, headers: dict[str, str]) -> None:
        self.send_response(status)
        if request_id is not None:
            self.send_header("x-amzn-RequestId", request_id)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True
            self._answer({"message": "a body needs a Content-Length of at most 25 MB"}, 413)
            return None
        return self.rfile.read(int(length))

    def _authorised(self) -> None:
        """A signature, or a bearer token, must be there; neither is verified.

        Raises:
            ServiceError: there is none.
        """
        said = self.headers.get("Authorization", "")
        signed = (
            said.startswith("AWS4-HMAC-SHA256 ") and "Signature=" in said and "X-Amz-Date" in self.headers
        )
        if not signed and not said.startswith("Bearer "):
            raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers}


def _attempt(header: str) -> int:
    for part in header.split(";"):
        name, _, number = part.strip().partition("=")
        if name == "attempt" and number.isdecimal():
            return int(number)
    return 1


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
