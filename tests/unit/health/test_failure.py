from __future__ import annotations

import asyncio

import botocore.exceptions as boto
import pytest
import urllib3.exceptions as urllib3
from botocore.eventstream import ChecksumMismatch
from model_calls import ServiceError

from kenshin.errors import CircuitOpen, DeadlineExceeded
from kenshin.health.failure import failure_of


def kinds(error):
    failure = failure_of(error)
    return failure.status, failure.outcome, failure.code


@pytest.mark.parametrize(
    ("code", "http", "status", "outcome"),
    [
        ("ThrottlingException", 429, "throttled", "throttled"),
        ("ServiceQuotaExceededException", 400, "throttled", "throttled"),
        ("TooManyRequestsException", 429, "throttled", "throttled"),
        ("SomethingNew", 429, "throttled", "throttled"),
        ("ModelTimeoutException", 408, "timeout", "fault"),
        ("InternalServerException", 500, "error", "fault"),
        ("ServiceUnavailableException", 503, "error", "fault"),
        ("ModelErrorException", 424, "error", "fault"),
        ("ModelNotReadyException", 429, "error", "fault"),
        ("SomethingNew", 502, "error", "fault"),
        ("503", 503, "error", "fault"),
        ("SomethingNew", 504, "timeout", "fault"),
        ("504", 504, "timeout", "fault"),
        ("ServiceUnavailableException", 504, "error", "fault"),
        ("ValidationException", 400, "error", "ignored"),
        ("AccessDeniedException", 403, "error", "ignored"),
        ("ResourceNotFoundException", 404, "error", "ignored"),
        ("ExpiredTokenException", 403, "error", "ignored"),
        ("SomethingNew", 400, "error", "ignored"),
    ],
)
def test_an_error_of_the_service_by_code_and_status(code, http, status, outcome):
    failure = failure_of(ServiceError(code, http, retries=2))
    assert (failure.status, failure.outcome, failure.code) == (status, outcome, code)
    assert (failure.retries, failure.request_id, failure.kind) == (2, "req-e", "ServiceError")


@pytest.mark.parametrize(
    ("code", "tidy", "status", "outcome"),
    [
        ("throttlingException", "ThrottlingException", "throttled", "throttled"),
        ("modelStreamErrorException", "ModelStreamErrorException", "error", "fault"),
        ("serviceUnavailableException", "ServiceUnavailableException", "error", "fault"),
        ("validationException", "ValidationException", "error", "ignored"),
    ],
)
def test_within_a_stream_a_code_begins_small_and_has_no_status(code, tidy, status, outcome):
    error = boto.EventStreamError({"Error": {"Code": code, "Message": "no"}}, "ConverseStream")
    assert kinds(error) == (status, outcome, tidy)
    assert failure_of(error).kind == "EventStreamError"


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (boto.ReadTimeoutError(endpoint_url="x"), "timeout", "fault"),
        (boto.ConnectTimeoutError(endpoint_url="x"), "timeout", "fault"),
        (urllib3.ReadTimeoutError(None, "x", "slow"), "timeout", "fault"),
        (TimeoutError(), "timeout", "fault"),
        (boto.EndpointConnectionError(endpoint_url="x"), "error", "fault"),
        (boto.ConnectionClosedError(endpoint_url="x"), "error", "fault"),
        (boto.ResponseStreamingError(error="x"), "error", "fault"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "error", "fault"),
        (urllib3.ProtocolError("broken"), "error", "fault"),
        (ChecksumMismatch(1, 2), "error", "fault"),
        (ConnectionResetError(), "error", "fault"),
        (type("ClientPayloadError", (Exception,), {})(), "error", "fault"),
        (boto.ParamValidationError(report="x"), "error", "ignored"),
        (boto.NoCredentialsError(), "error", "ignored"),
        (TypeError("x"), "error", "ignored"),
        (DeadlineExceeded(value="m", reason="r", mend="m"), "timeout", "ignored"),
        (CircuitOpen(value="m", reason="r", mend="m"), "error", "ignored"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_without_an_answer_by_its_class(error, status, outcome):
    assert kinds(error) == (status, outcome, type(error).__name__)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_who_gives_up_is_no_error(error):
    failure = failure_of(error)
    assert (failure.cancelled, failure.status, failure.outcome) == (True, "success", "ignored")


def test_an_error_without_a_code_has_none():
    assert failure_of(ServiceError("", 500)).code is None
