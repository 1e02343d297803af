"""Trace context in headers: W3C ``traceparent`` and ``tracestate``, and AWS's ``X-Amzn-Trace-Id``, in and out.

Formats: "Trace Context", W3C Recommendation, level 1 (a later version of `traceparent` is read as far as version 00
goes), and "AWS X-Ray concepts: tracing header". Both name one 128-bit id; X-Ray writes its first 8 hex digits apart,
as the second at which the trace began. What does not keep to a format is no context: reading never raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
XRAY = "x-amzn-trace-id"

LONGEST_STATE = 512
MOST_STATES = 32
_LONGEST_PARENT = 256
_LONGEST_XRAY = 1024

_W3C = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})", re.ASCII)
_SPAN = re.compile(r"[0-9a-f]{16}", re.ASCII)
_STATE = re.compile(
    r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]",
    re.ASCII,
)
_XRAY_FIELDS = ("root", "parent", "sampled")
_DECISIONS = {"1": True, "0": False}


@dataclass(frozen=True, slots=True)
class RemoteContext:
    """Where in which trace a caller was, or a callee is to be.

    Args:
        trace_id: 32 hex digits, not all zero.
        span_id: the caller's span, 16 hex digits; None: the header named a trace alone, as a load balancer's does.
        sampled: whether the caller keeps the trace; None: it left that open.
        tracestate: what other systems wrote, handed on as it came.
    """

    trace_id: str
    span_id: str | None = None
    sampled: bool | None = None
    tracestate: str = ""

    def headers(self) -> dict[str, str]:
        """The headers of an outgoing call, both conventions; without a span X-Ray's alone."""
        made = {"X-Amzn-Trace-Id": self.xray}
        if self.span_id is not None:
            made[TRACEPARENT] = self.traceparent
            if self.tracestate:
                made[TRACESTATE] = self.tracestate
        return made

    @property
    def traceparent(self) -> str:
        """The context as W3C's header; a decision that was left open counts as sampled.

        It needs a span: `headers` leaves it out where there is none.
        """
        flags = "00" if self.sampled is False else "01"
        return f"00-{self.trace_id}-{self.span_id}-{flags}"

    @property
    def xray(self) -> str:
        """The context as X-Ray's header."""
        parts = [f"Root={xray_id(self.trace_id)}"]
        if self.span_id is not None:
            parts.append(f"Parent={self.span_id}")
        if self.sampled is not None:
            parts.append(f"Sampled={int(self.sampled)}")
        return ";".join(parts)


def xray_id(trace_id: str) -> str:
    """A trace id of 32 hex digits as X-Ray writes it, ``1-<8>-<24>``."""
    return f"1-{trace_id[:8]}-{trace_id[8:]}"


def read_headers(headers: object) -> RemoteContext | None:
    """The context that a request's headers carry; None where they carry none that is well formed.

    W3C's header counts before X-Ray's.

    Args:
        headers: a mapping of names, in any case, to values; anything else carries none.
    """
    try:
        found = _wanted(cast("Mapping[object, object]", headers))
    except Exception:
        return None
    return read_w3c(found.get(TRACEPARENT), found.get(TRACESTATE)) or read_xray(found.get(XRAY))


def read_w3c(traceparent: object, tracestate: object = None) -> RemoteContext | None:
    """W3C's headers; a `tracestate` that is not well formed is dropped."""
    if not isinstance(traceparent, str) or len(traceparent) > _LONGEST_PARENT:
        return None
    match = _W3C.fullmatch(traceparent.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not (int(trace_id, 16) and int(span_id, 16)):
        return None
    return RemoteContext(trace_id, span_id, bool(int(flags, 16) & 1), _state(tracestate))


def read_xray(header: object) -> RemoteContext | None:
    """X-Ray's header: ``Root=1-…;Parent=…;Sampled=…``, in any order; other fields are of no concern."""
    if not isinstance(header, str) or len(header) > _LONGEST_XRAY:
        return None
    fields: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.strip(" \t").partition("=")
        known = equals and (name := name.lower()) in _XRAY_FIELDS
        if known and fields.setdefault(name, value) != value:
            return None
    root = _ROOT.fullmatch(fields.get("root", ""))
    if root is None or not int(trace_id := root[1] + root[2], 16):
        return None
    span_id = fields.get("parent")
    if span_id is not None and not (_SPAN.fullmatch(span_id) and int(span_id, 16)):
        return None
    return RemoteContext(trace_id, span_id, _DECISIONS.get(fields.get("sampled", "")))


def _wanted(headers: Mapping[object, object]) -> dict[str, object]:
    wanted = (TRACEPARENT, TRACESTATE, XRAY)
    return {
        lower: value
        for name, value in headers.items()
        if isinstance(name, str) and (lower := name.lower()) in wanted
    }


def _state(text: object) -> str:
    if not isinstance(text, str) or not text or len(text) > LONGEST_STATE:
        return ""
    members = [member for each in text.split(",") if (member := each.strip(" \t"))]
    names = {member.partition("=")[0] for member in members}
    if not 0 < len(members) <= MOST_STATES or len(names) < len(members):
        return ""
    return ",".join(members) if all(_STATE.fullmatch(member) for member in members) else ""
