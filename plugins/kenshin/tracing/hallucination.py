"""Hallucination risk: does an answer claim what its context does not support?

A heuristic over what can be looked up: numbers, ids, links and quoted names (`kenshin.grounding` says how they are read
and compared, in English and Japanese). It is blind to what is wrong in words alone, and to a number of the context in a
wrong sentence; docs/traces.md states its precision and recall on a labelled set. Who needs more gives a judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from kenshin.errors import InvalidInput
from kenshin.grounding.support import ground
from kenshin.tracing.finding import DEFAULT_THRESHOLD, Evidence, Finding, found, is_share, shown
from kenshin.tracing.trace import PromptTrace

Judge = Callable[[str, str], float]
"""Rates the risk of an answer (first) by its context (second), from 0 to 1."""

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"link": 0.8, "id": 0.8, "number": 0.6, "title": 0.6, "name": 0.3}
)
"""How strong a sign one unsupported claim of a kind is. A name in 「」 alone is none: much is merely said in them."""

MOST_EVIDENCE = 50


def hallucination_risk(
    answer: str,
    context: str | Sequence[str],
    *,
    judge: Judge | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    weights: Mapping[str, float] = WEIGHTS,
    trace: PromptTrace | None = None,
) -> Finding:
    """How likely an answer makes things up.

    Args:
        answer: what the model said; its first 100,000 characters are looked at.
        context: what it was to rest on: passages, the user's own words, what tools answered.
        judge: its score stands in the heuristic's place; if it fails, the heuristic's counts, and `note` says so.
        threshold: the score from which on the answer is flagged.
        weights: how strong a sign an unsupported claim is, by kind, 0 to 1; a kind that is missing is no sign.
        trace: its `hallucination_risk` and `hallucination_score` are set.

    Raises:
        InvalidInput: the threshold or a weight is none.
    """
    if not all(map(is_share, weights.values())):
        raise InvalidInput(
            value=dict(weights), reason="a weight lies from 0 to 1", mend="Correct the weights."
        )
    passages = context if isinstance(context, str) else "\n".join(context)
    grounding = ground(answer, passages, names=True)
    signs = [
        Evidence(claim.kind, shown(claim.text), weights[claim.kind])
        for claim in grounding.unsupported
        if weights.get(claim.kind)
    ]
    finding = found(
        signs[:MOST_EVIDENCE], threshold, None if judge is None else lambda: judge(answer, passages)
    )
    if trace is not None:
        trace.hallucination_risk = finding.flagged
        trace.hallucination_score = finding.score
    return finding
