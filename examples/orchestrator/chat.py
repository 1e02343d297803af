"""One chat request, from the message to its answer: the five spans, and each check-up at its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kenshin.budget import BudgetPolicy, fit_budget
from kenshin.experiments import ScoreWeights, get_assignment, record_observation, score_response
from kenshin.tracing import confusion_detected, hallucination_risk, validate_response
from orchestrator import prompts
from orchestrator.calls import collected, told
from orchestrator.sessions import Sessions, message
from orchestrator.unfolding import Unfolding

if TYPE_CHECKING:
    from kenshin.health import BedrockClientWrapper
    from kenshin.health.breakers import Breakers
    from kenshin.signals.calls import BedrockHealthMetrics
    from kenshin.tracing import PromptObservabilityPipeline, PromptTrace
    from orchestrator.intents import Classifier
    from orchestrator.retrieval import Passage, Retriever
    from orchestrator.settings import ChatSettings

WEIGHTS = ScoreWeights(schema=0.5, grounding=0.5, feedback=0.0, judge=0.0)
"""What a response's score is made of here: nobody rates, and no judge is asked."""


@dataclass(frozen=True, slots=True)
class ChatService:
    """What requests need, made once.

    Args:
        settings: of the service.
        bedrock: Kenshin's wrapper around boto3's client.
        breakers: the ones that it asks.
        retriever: of passages.
        classifier: of intents.
        pipeline: of traces.
        sessions: what was said before.
    """

    settings: ChatSettings
    bedrock: BedrockClientWrapper
    breakers: Breakers
    retriever: Retriever
    classifier: Classifier
    pipeline: PromptObservabilityPipeline
    sessions: Sessions = field(default_factory=Sessions)


class ChatFailed(Exception):
    """No answer; `__cause__` says why.

    Args:
        trace_id: of the request.
        calls: the model calls that were made.
    """

    def __init__(self, trace_id: str, calls: Sequence[Mapping[str, object]]) -> None:
        super().__init__("The request could not be answered")
        self.trace_id = trace_id
        self.calls = list(calls)


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a request is answered, JSON-ready by `as_dict`; `elapsed_ms` leaves the delivery out."""

    session_id: str
    trace_id: str
    answer: str
    sources: Sequence[str]
    intent: str
    arm: str
    prompt_version: str
    model_id: str
    budget: Mapping[str, object]
    quality: Mapping[str, object]
    calls: Sequence[Mapping[str, object]]
    elapsed_ms: float
    model_ms: float

    def as_dict(self) -> dict[str, object]:
        """The answer as JSON tells it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class _Prompt:
    """What is sent, and what came of its budget check."""

    template: prompts.Template
    passages: list[Passage]
    question: str
    history: Sequence[Mapping[str, Any]] = ()
    context: Sequence[Mapping[str, object]] = ()
    budget: Mapping[str, object] = field(default_factory=dict)

    def request(self, model_id: str) -> dict[str, Any]:
        """Converse's arguments."""
        content = [prompts.sent(block) for block in self.context]
        return {
            "modelId": model_id,
            "system": [{"text": self.template.system}],
            "messages": [*self.history, {"role": "user", "content": [*content, {"text": self.question}]}],
            "inferenceConfig": {
                "maxTokens": self.template.max_tokens,
                "temperature": self.template.temperature,
            },
            "outputConfig": self.template.output_config(),
        }


def handle_chat_request(
    session_id: str,
    user_message: str,
    *,
    service: ChatService,
    headers: Mapping[str, str] | None = None,
    say: Callable[[str], object] | None = None,
    deliver: Callable[[ChatAnswer], object] = lambda answer: None,
) -> ChatAnswer:
    """Answer a message.

    Args:
        session_id: whose.
        user_message: the message.
        service: what requests need.
        headers: of the incoming request, whose trace is gone on with.
        say: takes pieces of the answer while the model speaks; without it the model is asked for the whole.
        deliver: takes the answer.

    Raises:
        ChatFailed: from what went wrong.
    """
    began = time.monotonic()
    assigned = get_assignment(service.settings.experiment, session_id)
    template = prompts.template(assigned.prompt_version)
    pipeline = service.pipeline
    trace = pipeline.start_trace(session_id, "", prompts.NAME, template.version, headers=headers)
    with collected() as calls:
        try:
            with pipeline.span(trace, "intent_classification") as span:
                intent = service.classifier(user_message)
                trace.intent = intent.name
                span.metadata["confidence"] = intent.confidence
            with pipeline.span(trace, "prompt_assembly") as span:
                prompt = _assembled(service, session_id, user_message, template)
                span.metadata["token_count"] = prompt.budget["total_tokens"]
                span.metadata["passages"] = len(prompt.context)
            with pipeline.span(trace, "bedrock_invocation") as span:
                said = _asked(service, prompt, intent.name, say)
                span.metadata["model_id"] = calls[-1].model_id if calls else service.settings.model
            with pipeline.span(trace, "response_validation"):
                text, sources, quality, metrics = _judged(trace, prompt, said)
            answer = ChatAnswer(
                session_id=session_id,
                trace_id=trace.trace_id,
                answer=text,
                sources=sources,
                intent=intent.name,
                arm=assigned.arm,
                prompt_version=template.version,
                model_id=calls[-1].model_id,
                budget=prompt.budget,
                quality=quality,
                calls=[told(call) for call in calls],
                elapsed_ms=round(1000 * (time.monotonic() - began), 2),
                model_ms=round(sum(call.latency_ms for call in calls), 2),
            )
            with pipeline.span(trace, "response_delivery"):
                service.sessions.add(session_id, user_message, text)
                deliver(answer)
        except Exception as error:
            raise ChatFailed(trace.trace_id, [told(call) for call in calls]) from error
        finally:
            pipeline.finish_trace(trace)
    if assigned.exposed:
        record_observation(
            # A caller's trace may hold several requests; each of them has a span of its own.
            observation_id=f"{trace.trace_id}-{trace.span_id}",
            session_id=session_id,
            experiment_id=service.settings.experiment,
            group=assigned.arm,
            phase=assigned.phase,
            prompt_version=template.version,
            quality_score=trace.quality_score,
            latency_ms=answer.elapsed_ms,
            intent=intent.name,
            trace_id=trace.trace_id,
            metrics=metrics | _spent(calls),
        )
    return answer


def _assembled(
    service: ChatService, session_id: str, user_message: str, template: prompts.Template
) -> _Prompt:
    """The prompt with its passages, made to fit where it would not."""
    passages = service.retriever.find(user_message, service.settings.passages)
    history = service.sessions.history(session_id)
    context = [prompts.passage_block(each.doc_id, each.text, round(each.score, 4)) for each in passages]
    parts: dict[str, Any] = {
        "system_prompt": template.system,
        "conversation_history": history,
        "rag_context": context,
        "user_message": user_message,
        "model_id": service.settings.model,
    }
    policy = BudgetPolicy(
        output_reserve=template.max_tokens, practical_ratio=service.settings.practical_ratio
    )
    fitted = fit_budget(**parts, policy=policy)
    after = fitted.after
    budget = {
        "status": fitted.before.status,
        "action": fitted.action,
        "saved_tokens": fitted.saved_tokens,
        "total_tokens": after.total_tokens,
        "budget_limit": after.budget_limit,
        "utilization_pct": after.utilization_pct,
        "upper_pct": after.upper_pct,
    }
    return _Prompt(
        template=template,
        passages=passages,
        question=user_message,
        history=fitted.conversation_history,
        context=fitted.rag_context,
        budget=budget,
    )


def _asked(service: ChatService, prompt: _Prompt, intent: str, say: Callable[[str], object] | None) -> str:
    """What the model says, through wrapper and breaker."""
    settings = service.settings
    asking = service.bedrock.with_options(intent=intent)
    request = prompt.request(settings.model)
    if say is None:
        answer = asking.converse(**request)
        blocks = answer["output"]["message"]["content"]
        return "".join(block.get("text", "") for block in blocks)
    unfolding, parts = Unfolding(), []
    # Closed in any case: a listener who hangs up is told as a cancelled call, at once.
    with closing(asking.converse_stream(**request)["stream"]) as stream:
        for event in stream:
            if piece := event.get("contentBlockDelta", {}).get("delta", {}).get("text"):
                parts.append(piece)
                if readable := unfolding.feed(piece):
                    say(readable)
    return "".join(parts)


def _judged(
    trace: PromptTrace, prompt: _Prompt, said: str
) -> tuple[str, Sequence[str], Mapping[str, object], dict[str, float]]:
    """Hold the answer against its schema and its passages: text, sources, what was found, and the score's parts."""
    valid = validate_response(said, prompts.SCHEMA, trace=trace)
    text, sources = (valid.value["answer"], valid.value["sources"]) if valid else (said, [])
    context = [passage.text for passage in prompt.passages]
    risk = hallucination_risk(text, context, trace=trace)
    asked = message("user", prompt.question)
    confusion = confusion_detected([*prompt.history, asked], text, trace=trace)
    score = score_response(text, context=context, schema_valid=bool(valid), weights=WEIGHTS)
    trace.quality_score = score.score
    quality = {
        "schema_valid": bool(valid),
        "hallucination_risk": bool(risk),
        "confusion_detected": bool(confusion),
        "score": score.score,
    }
    return text, sources, quality, dict(score.metrics)


def _spent(calls: Sequence[BedrockHealthMetrics]) -> dict[str, float]:
    return {
        "tokens.input": float(sum(call.input_tokens for call in calls)),
        "tokens.output": float(sum(call.output_tokens for call in calls)),
    }
