"""What the service is told by its environment; Kenshin's own settings (``KENSHIN_…``) are read by Kenshin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "ORCHESTRATOR_"


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The service's settings; each is the variable ``ORCHESTRATOR_<NAME>``.

    Args:
        model: the model that answers.
        fallbacks: models that answer in its stead, in order, separated by commas.
        region: where they are.
        bedrock_url: endpoint of the Bedrock runtime; empty: AWS's own.
        read_timeout_s: patience between two bytes of a model's answer, in seconds.
        deadline_s: patience with all models together, in seconds.
        retries: how often botocore tries a call again.
        window_s: over how many seconds a circuit breaker looks back.
        open_s: how long an open one waits, in seconds.
        experiment: which prompt experiment chooses the template's version.
        classifier: ``keywords``, or ``sagemaker:<endpoint>``.
        passages: how many are retrieved.
        practical_ratio: the share of the model's window that a prompt should keep to.
        threads: so many requests are worked on at once; one more is turned away.
    """

    model: str = "anthropic.claude-3-5-sonnet-20241022-v2:0"
    fallbacks: tuple[str, ...] = ("anthropic.claude-3-haiku-20240307-v1:0",)
    region: str = "ap-northeast-1"
    bedrock_url: str = ""
    read_timeout_s: float = 20.0
    deadline_s: float = 30.0
    retries: int = 1
    window_s: int = 30
    open_s: float = 15.0
    experiment: str = "chat-answer"
    classifier: str = "keywords"
    passages: int = 4
    practical_ratio: float = 0.025
    threads: int = 64

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ChatSettings:
        """Read the settings.

        Raises:
            ValueError: a number is none; the message names the variable.
        """
        env = os.environ if environ is None else environ
        made: dict[str, object] = {}
        defaults = cls()
        for name in cls.__slots__:
            said = env.get(PREFIX + name.upper())
            if not said:
                continue
            default = getattr(defaults, name)
            try:
                if isinstance(default, tuple):
                    made[name] = tuple(part.strip() for part in said.split(",") if part.strip())
                else:
                    made[name] = type(default)(said)
            except ValueError as error:
                raise ValueError(f"{PREFIX}{name.upper()}={said!r}: {error}") from error
        return cls(**made)  # type: ignore[arg-type]
