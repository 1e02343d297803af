"""What a message is about: a classifier is any function from a text to an intent."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

INTENTS = ("how_to", "definition", "limits", "troubleshooting", "other")

_WORDS = {
    "troubleshooting": r"error|fail|exception|denied|not work|wrong|why does|エラー|失敗|できない|動かない|原因",
    "limits": r"limit|quota|maximum|at most|how many|how long|how much|上限|制限|最大|何日|いくつ",
    "how_to": r"how (?:do|can|to|should)|create|delete|update|change|enable|方法|手順|やり方|作成|削除|変更|するには",
    "definition": r"what (?:is|are|does)|explain|describe|meaning|とは|意味|説明|教えて",
}
_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _WORDS.items()}


@dataclass(frozen=True, slots=True)
class Intent:
    """What a message is about, and how sure that is, 0 to 1."""

    name: str
    confidence: float


Classifier = Callable[[str], Intent]


def by_keywords(text: str) -> Intent:
    """The intent with most keywords, in English or Japanese; of a tie the first in the list of patterns."""
    hits = {name: len(pattern.findall(text)) for name, pattern in _PATTERNS.items()}
    best = max(hits, key=lambda name: hits[name])
    total = sum(hits.values())
    return Intent(best, round(hits[best] / total, 2)) if total else Intent("other", 0.5)


class SageMakerClassifier:
    """A classifier behind a SageMaker endpoint that takes ``{"text": …}`` and answers ``{"label": …, "score": …}``.

    Args:
        client: boto3's ``sagemaker-runtime``.
        endpoint: the endpoint's name.
        otherwise: answers where the endpoint does not, or says what is no intent.
    """

    def __init__(self, client: Any, endpoint: str, otherwise: Classifier = by_keywords) -> None:
        self._client = client
        self._endpoint = endpoint
        self._otherwise = otherwise

    def __call__(self, text: str) -> Intent:
        """Ask the endpoint."""
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._endpoint,
                ContentType="application/json",
                Body=json.dumps({"text": text}).encode(),
            )
            said = json.loads(answer["Body"].read())
            if said["label"] in INTENTS:
                return Intent(said["label"], float(said["score"]))
            logger.warning("Endpoint %s answered no known intent", self._endpoint)
        except Exception as error:
            # A chat does not end because its classifier does.
            logger.warning("Endpoint %s failed (%s)", self._endpoint, type(error).__name__)
        return self._otherwise(text)


def classifier_of(said: str, region: str) -> Classifier:
    """The classifier that a setting names.

    Raises:
        ValueError: it names none.
    """
    kind, _, endpoint = said.partition(":")
    if kind == "keywords":
        return by_keywords
    if kind == "sagemaker" and endpoint:
        import boto3

        return SageMakerClassifier(boto3.client("sagemaker-runtime", region_name=region), endpoint)
    raise ValueError(f"unknown classifier {said!r}; known: keywords, sagemaker:<endpoint>")
