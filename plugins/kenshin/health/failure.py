"""What became of a call that raised: its status, its code, and whose fault it was.

Exceptions are told apart by the names of their classes, so that neither botocore nor urllib3 has to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kenshin.errors import CircuitOpen, DeadlineExceeded
from kenshin.health.breaker import Outcome
from kenshin.signals.calls import REFUSED, CallStatus

THROTTLES = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceQuotaExceededException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
"""Codes by which the service says that a quota is used up."""

TIMEOUTS = frozenset({"ModelTimeoutException", "RequestTimeout", "RequestTimeoutException"})
FAULTS = frozenset(
    {
        "InternalFailure",
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelStreamErrorException",
        "ServiceUnavailableException",
    }
)
"""Codes of the service's own faults, some of which come with a status of 4xx, or within a stream with none."""

_TIMEOUT_CLASSES = frozenset({"ConnectTimeoutError", "ReadTimeoutError", "TimeoutError"})
_BROKEN_CLASSES = frozenset(
    {
        "ClientConnectionError",  # of aiohttp, as the next
        "ClientPayloadError",
        "ConnectionError",  # of Python and of botocore
        "HTTPClientError",
        "HTTPError",  # urllib3's base: what breaks while a stream is read is not translated
        "IncompleteReadError",
        "ParserError",  # of the event stream
        "ResponseParserError",
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a record says of a call without an answer.

    Args:
        status: how it ended.
        outcome: what it is for the breaker.
        code: the service's code; without one, the name of the exception's class.
        kind: the exception's class.
        cancelled: whether the caller gave up; then the status is no error.
        waited: whether it gave up, or its time was over, while it waited for the service.
        retries: tries beyond the first, as far as the exception knows.
        request_id: the service's id.
    """

    status: CallStatus
    outcome: Outcome
    code: str | None
    kind: str
    cancelled: bool = False
    waited: bool = False
    retries: int = 0
    request_id: str | None = None


def failure_of(error: BaseException) -> Failure:
    """What an exception means."""
    kind = type(error).__name__
    if not isinstance(error, Exception):
        return Failure("success", "ignored", None, kind, cancelled=True, waited=True)
    if isinstance(error, DeadlineExceeded):
        return Failure("timeout", "ignored", kind, kind, waited=True)
    if isinstance(error, CircuitOpen):
        return Failure("error", "ignored", REFUSED, kind)
    response = getattr(error, "response", None)
    if isinstance(response, Mapping) and isinstance(response.get("Error"), Mapping):
        return failure_in(response, kind)
    status, outcome = _of_classes(tuple(each.__name__ for each in type(error).__mro__))
    return Failure(status, outcome, kind, kind)


def failure_in(response: Mapping[str, Any], kind: str = "ClientError") -> Failure:
    """What an error answer of the service means.

    Args:
        response: as botocore parses it, with ``Error`` and ``ResponseMetadata``.
        kind: class of the exception that it becomes.
    """
    code = str(response["Error"].get("Code") or "")
    metadata = response.get("ResponseMetadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    status, outcome = _of_code(code, _whole(metadata.get("HTTPStatusCode")))
    return Failure(
        status,
        outcome,
        _tidy(code) or None,
        kind,
        retries=_whole(metadata.get("RetryAttempts")),
        request_id=metadata.get("RequestId"),
    )


def _tidy(code: str) -> str:
    """A code as the API reference writes it: within streams it begins with a small letter."""
    return code[:1].upper() + code[1:]


def _of_code(code: str, http: int) -> tuple[CallStatus, Outcome]:
    code = _tidy(code)
    if code in THROTTLES:
        return "throttled", "throttled"
    if code in TIMEOUTS:
        return "timeout", "fault"
    if code in FAULTS:
        return "error", "fault"
    # A code that is not known, or a proxy's, which is its status.
    status = int(code) if code.isdecimal() else http
    if status == 429:
        return "throttled", "throttled"
    if status in {408, 504}:
        return "timeout", "fault"
    if status >= 500:
        return "error", "fault"
    return "error", "ignored"


def _of_classes(names: tuple[str, ...]) -> tuple[CallStatus, Outcome]:
    if not _TIMEOUT_CLASSES.isdisjoint(names):
        return "timeout", "fault"
    if not _BROKEN_CLASSES.isdisjoint(names):
        return "error", "fault"
    return "error", "ignored"


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
