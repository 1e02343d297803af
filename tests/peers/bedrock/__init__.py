"""A Bedrock runtime on this machine, made of botocore's own model of the service.

It serves Converse, ConverseStream, InvokeModel (Anthropic Messages, Titan embeddings), InvokeModelWithResponseStream,
CountTokens and ApplyGuardrail over HTTP/1.1, on 127.0.0.1 alone. Inputs are validated, answers follow from the prompt,
faults are injected by rules, and everything is written down:

    with BedrockPeer(faults=[Fault("error", code="ThrottlingException", rate=0.1)]) as peer:
        answer = client(peer.url).converse(modelId=..., messages=[...])
        entries = peer.log

`python -m peers.bedrock --port 0` runs it as a process; ``/_peer/faults`` (GET, PUT, DELETE) and ``/_peer/log`` control
it over HTTP. A signature must be there and is not verified. Members that the model does not know are refused, which the
real service does not always do. No quota is enforced, the prompt cache never forgets, a guardrail knows words alone.
"""

from __future__ import annotations

from peers.bedrock.answers import Answerer, ChatAnswers, Reply
from peers.bedrock.clients import client
from peers.bedrock.faults import Fault, FaultPlan
from peers.bedrock.journal import Entry
from peers.bedrock.operations import Model
from peers.bedrock.prompts import Prompt
from peers.bedrock.server import BedrockPeer, Pace
from peers.bedrock.tokens import count_tokens

__all__ = [
    "Answerer",
    "BedrockPeer",
    "ChatAnswers",
    "Entry",
    "Fault",
    "FaultPlan",
    "Model",
    "Pace",
    "Prompt",
    "Reply",
    "client",
    "count_tokens",
]
