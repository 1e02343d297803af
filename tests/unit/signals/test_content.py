from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.signals.content import ERROR_LIMIT, ContentPolicy, cut, error_text, redact


def test_no_content_leaves_unless_it_is_switched_on(call_record, trace_record):
    for make in (call_record, trace_record):
        record = make(content={"prompt": "my secret plan"})
        assert ContentPolicy().applied(record).content is None
        assert ContentPolicy(capture=True).applied(record).content == {"prompt": "my secret plan"}


def test_a_record_without_content_is_passed_on_as_it_is(call_record, drift_record):
    for record in (call_record(), drift_record()):
        assert ContentPolicy(capture=True).applied(record) is record


def test_captured_content_is_redacted_and_cut(call_record):
    text = "mail me: hanako@example.co.jp " + "x" * 5000
    content = ContentPolicy(capture=True, limit=100).applied(call_record(content={"prompt": text})).content
    assert content["prompt"].startswith("mail me: [email] ")
    assert content["prompt"].endswith("…")
    assert len(content["prompt"]) == 100


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("key AKIAIOSFODNN7EXAMPLE end", "key [aws-key] end"),
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer [secret]"),
        ('{"password": "hunter22"}', '{"password": "[secret]"}'),
        ("api_key=sk-12345678&x=1", "api_key=[secret]&x=1"),
        ("postgres://joe:hunter2@db/x", "postgres://[secret]@db/x"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_", "jwt [token]"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("call 03-1234-5678 or +81 90 1234 5678", "call [phone] or [phone]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "[private-key] RSA PRIVATE KEY-----",
        ),
    ],
)
def test_secrets_and_numbers_of_people_are_replaced_by_their_kind(text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    ["order 4111 1111 1111 1112", "2026-11-05 18:00", "version 2.1.0", "p = 0.0412", "価格は12,800円です"],
)
def test_plain_figures_stay(text):
    assert redact(text) == text


def test_a_secret_at_the_cut_is_not_left_in_halves():
    text = "x" * 95 + " AKIAIOSFODNN7EXAMPLE"
    assert "AKIA" not in cut(text, 100)


def test_an_error_is_its_type_and_a_short_message():
    assert error_text(ValueError("bad password=hunter2")) == "ValueError: bad password=[secret]"
    assert error_text(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert len(error_text(ValueError("長" * 9999))) == ERROR_LIMIT

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert error_text(Mute()).startswith("Mute: ")


@given(st.text() | st.text(alphabet="a@.-: =0123456789+eyJ\ud800", max_size=400), st.integers(0, 300))
def test_any_text_is_cut_to_its_limit(text, limit):
    assert len(cut(text, limit)) <= max(limit, 1)


@pytest.mark.parametrize("unit", ["a@", "a.", "0-", "eyJ", "password", "1 ", "://a:", "-----BEGIN "])
def test_no_text_takes_long(unit):
    begun = time.perf_counter()
    redact(unit * (30_000 // len(unit)))
    assert time.perf_counter() - begun < 2
