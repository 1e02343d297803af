from __future__ import annotations

import pytest
from model_calls import HAIKU, SONNET, ServiceError

from kenshin.errors import CircuitOpen
from kenshin.health.request import Request
from kenshin.health.surroundings import CallOptions
from kenshin.signals.context import PromptMeasured, prompt_measured

NOVA = "amazon.nova-lite-v1:0"
THROTTLED = ServiceError("ThrottlingException", 429)
BROKEN = ServiceError("InternalServerException", 500)
MISTAKE = ServiceError("ValidationException", 400)


def request(ward, operation="converse", refuses=True, **options):
    arguments = {"modelId": SONNET, "messages": []}
    return Request(
        ward.around(), CallOptions(**options), operation, arguments, region="tokyo", refuses=refuses
    )


def open_(ward, *models):
    for model in models:
        ward.breakers.of(model, "tokyo").override("open")


def test_the_model_asked_for_comes_first(ward):
    call = request(ward, fallbacks=[HAIKU]).first()
    assert (call.model_id, call.fallback_of) == (SONNET, None)


def test_throttled_the_next_one_is_called_with_its_own_id(ward):
    asked = request(ward, fallbacks=[SONNET, HAIKU, NOVA])
    call = asked.after(asked.first(), THROTTLED)
    assert (call.model_id, call.fallback_of) == (HAIKU, SONNET)
    assert call.arguments == {"modelId": HAIKU, "messages": []}
    last = asked.after(call, THROTTLED)
    assert last.model_id == NOVA
    assert asked.after(last, THROTTLED) is None
    assert [(each.model_id, each.fallback_of) for each in ward.records] == [
        (SONNET, None),
        (HAIKU, SONNET),
        (NOVA, SONNET),
    ]


@pytest.mark.parametrize(
    ("error", "on_fault", "goes_on"),
    [
        (THROTTLED, False, True),
        (BROKEN, False, False),
        (BROKEN, True, True),
        (MISTAKE, True, False),
        (KeyboardInterrupt(), True, False),
    ],
)
def test_what_makes_a_request_go_on(ward, error, on_fault, goes_on):
    asked = request(ward, fallbacks=[HAIKU], fallback_on_fault=on_fault)
    assert (asked.after(asked.first(), error) is not None) == goes_on


def test_open_ones_are_passed_over(ward):
    open_(ward, SONNET, HAIKU)
    call = request(ward, fallbacks=[HAIKU, NOVA]).first()
    assert (call.model_id, call.fallback_of) == (NOVA, SONNET)
    assert ward.records == []


def test_with_all_of_them_open_it_fails_at_once_and_says_so(ward):
    open_(ward, SONNET, HAIKU)
    with pytest.raises(CircuitOpen, match=SONNET.replace(".", r"\.")):
        request(ward, fallbacks=[HAIKU]).first()
    record = ward.record
    assert (record.model_id, record.status, record.error_code) == (SONNET, "error", "CircuitOpen")
    assert (record.circuit_state, record.sent_latency_ms) == ("open", None)


def test_the_error_is_the_callers_where_the_rest_is_open(ward):
    asked = request(ward, fallbacks=[HAIKU])
    open_(ward, HAIKU)
    assert asked.after(asked.first(), THROTTLED) is None


def test_a_model_that_rests_is_kept_for_last(ward):
    for _ in range(3):
        ward.breakers.of(SONNET, "tokyo").admit().end("throttled")
    assert request(ward, fallbacks=[HAIKU]).first().model_id == HAIKU
    open_(ward, HAIKU)
    assert request(ward, fallbacks=[HAIKU]).first().model_id == SONNET
    assert request(ward).first().model_id == SONNET


def test_no_fallback_is_begun_without_time_for_it(ward):
    asked = request(ward, fallbacks=[HAIKU], deadline=5.0, fallback_least_s=2.0)
    call = asked.first()
    ward.clock.pass_(3)
    assert call.ends_by == ward.clock() + 2
    second = asked.after(call, THROTTLED)
    assert second.ends_by == call.ends_by, "one deadline for all of them"
    hasty = request(ward, fallbacks=[HAIKU], deadline=5.0, fallback_least_s=2.0)
    call = hasty.first()
    ward.clock.pass_(3.01)
    assert hasty.after(call, THROTTLED) is None


def test_one_that_only_watches_lets_everything_through(ward):
    open_(ward, SONNET)
    call = request(ward, refuses=False).first()
    call.failed(BROKEN)
    assert (ward.record.circuit_state, ward.record.error_code) == ("open", "InternalServerException")


def test_counting_tokens_is_nobodys_health(ward):
    prompt_measured.set(PromptMeasured("m", 1, 2, "latin"))
    open_(ward, SONNET)
    asked = request(ward, "count_tokens", fallbacks=[HAIKU])
    assert asked.after(asked.first(), THROTTLED) is None
    assert ward.breakers.of(SONNET, "tokyo").counts == {}
    assert prompt_measured.get() is not None


def test_the_measured_prompt_is_consumed_once_and_goes_with_each_try(ward):
    measured, heard = PromptMeasured("m", 1, 2, "latin"), []
    ward.more = {"listeners": (lambda record, prompt: heard.append((record.model_id, prompt)),)}
    prompt_measured.set(measured)
    asked = request(ward, fallbacks=[HAIKU])
    assert prompt_measured.get() is None
    asked.after(asked.after(asked.first(), THROTTLED), THROTTLED)
    assert heard == [(SONNET, measured), (HAIKU, measured)]


def test_the_answer_tells_who_has_answered(ward):
    asked = request(ward)
    call = asked.first()
    assert asked.signed(call, {"x": 1}) == {"x": 1, "ResponseMetadata": {"KenshinModelId": SONNET}}
    assert asked.signed(call, "odd") == "odd"
