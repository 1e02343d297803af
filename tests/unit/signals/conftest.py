from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from kenshin.signals.records import (
    BedrockHealthMetrics,
    BudgetChecked,
    DimensionFolded,
    DriftMeasured,
    ExperimentAnalysed,
    PromptTraced,
    Record,
    RecordsLost,
    SpanTimed,
    UsageObserved,
)

AT = datetime(2026, 11, 5, 18, 0, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPANS = (
    "intent_classification",
    "prompt_assembly",
    "bedrock_invocation",
    "response_validation",
    "response_delivery",
)


def maker(kind: type, **values: object) -> Callable[..., Record]:
    return lambda **changes: kind(**{"at": AT, **values, **changes})


@pytest.fixture
def drift_record() -> Callable[..., DriftMeasured]:
    return maker(
        DriftMeasured,
        index="products",
        day="2026-11-06",
        mode="observed",
        sample_size=300,
        drifted_count=12,
        invalid_count=3,
        invalid_share_pct=1.0,
        alert=True,
        mean_drift=0.02,
        p95_drift=0.17,
        max_drift=0.4,
    )


@pytest.fixture
def budget_record() -> Callable[..., BudgetChecked]:
    return maker(
        BudgetChecked,
        model_id="anthropic.claude-3-5-sonnet-20241022-v2:0",
        status="warning",
        utilization_pct=87.3,
        upper_pct=91.0,
        total_tokens=4365,
        upper_tokens=4550,
        budget_limit=5000,
        sections={"system_prompt": 200, "conversation_history": 2000, "output_reserve": 1500},
        largest_section="conversation_history",
        largest_section_tokens=2000,
        recommendation="WARNING: 87% of budget used.",
    )


@pytest.fixture
def call_record() -> Callable[..., BedrockHealthMetrics]:
    return maker(
        BedrockHealthMetrics,
        model_id="arn:aws:bedrock:ap-northeast-1:1:inference-profile/anthropic.claude-3-haiku-20240307-v1:0",
        intent="product_recommendation",
        latency_ms=812.5,
        status="success",
        input_tokens=900,
        output_tokens=120,
    )


@pytest.fixture
def trace_record() -> Callable[..., PromptTraced]:
    spans = tuple(
        SpanTimed(name, duration, offset_ms=offset, span_id=f"{number:016x}")
        for number, (name, duration, offset) in enumerate(
            zip(SPANS, (50.1, 10.2, 1500.0, 2.0, 3.456), (0, 51, 62, 1563, 1566), strict=True), 1
        )
    )
    return maker(
        PromptTraced,
        trace_id=TRACE,
        session_id="sess-12345",
        intent="product_recommendation",
        template_name="recommend_v2",
        template_version="2.1.0",
        elapsed_ms=1570.0,
        spans=spans,
    )


@pytest.fixture
def every_record(drift_record, budget_record, call_record, trace_record) -> list[Record]:
    """Records that between them set every field, so that every metric is carried by one."""
    return [
        drift_record(),
        ExperimentAnalysed(
            AT,
            "exp",
            "2026-11-05",
            "B",
            "analysed",
            90,
            95,
            40,
            41,
            0.02,
            0.04,
            True,
            "…",
            "k",
            look=3,
            z=2.9,
            boundary=2.7,
            alpha_spent=0.01,
            decision="promote",
            decision_code=3,
            decided_arm="B",
        ),
        budget_record(saved_tokens=400, action="compressed", trace_id=TRACE),
        budget_record(status="critical"),
        UsageObserved(
            AT, "claude-3-5-sonnet", "latin", 900, 990, 910, 980, 1000, overflowed=True, trace_id=TRACE
        ),
        call_record(
            status="timeout",
            error_code="ReadTimeout",
            error_class="ReadTimeoutError",
            retry_count=2,
            circuit_state="open",
            first_token_ms=210.0,
            cache_read_tokens=100,
            cache_write_tokens=50,
            region="ap-northeast-1",
            tier="fast",
            stop_reason="model_context_window_exceeded",
            guardrail_intervened=True,
            cancelled=True,
            request_headroom_pct=40.0,
            token_headroom_pct=60.0,
        ),
        call_record(),
        call_record(status="throttled"),
        trace_record(
            schema_valid=False,
            schema_checked=True,
            hallucination_risk=True,
            hallucination_score=0.4,
            confusion_detected=True,
            confusion_score=0.3,
            quality_score=0.8,
            spans=(SpanTimed("bedrock_invocation", 3.0, success=False, error="ValueError: x"),),
        ),
        RecordsLost(AT, "EmfFiles", "queue_full", 3),
        DimensionFolded(AT, "Intent", 2, 100, "greeting"),
    ]
