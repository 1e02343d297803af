"""How Bedrock names what several records tell of: models, stop reasons."""

from __future__ import annotations

OVERFLOW = "model_context_window_exceeded"
"""The stop reason for a prompt that did not fit the context window."""


def model_name(model_id: str) -> str:
    """The last segment of a model's id: of an ARN, what follows its last slash."""
    return model_id.rpartition("/")[2]
