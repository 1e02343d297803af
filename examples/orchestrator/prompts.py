"""The prompt's templates, by version: what the experiment chooses between."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME = "chat_answer"

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {"type": "string", "minLength": 1},
        "sources": {"type": "array", "items": {"type": "string"}},
        "grounded": {"type": "boolean"},
    },
    "required": ["answer", "sources", "grounded"],
    "additionalProperties": False,
}
"""What every version's answer is to keep to."""

_FORM = (
    "Answer with one JSON object: answer, the text for the user; sources, the ids of the passages that you used; "
    "grounded, whether these passages support all of the answer."
)


@dataclass(frozen=True, slots=True)
class Template:
    """One version of the prompt.

    Args:
        version: what observations and traces say of it.
        system: the system prompt.
        max_tokens: the longest answer, which the budget reserves.
        temperature: of the model.
    """

    version: str
    system: str
    max_tokens: int = 800
    temperature: float = 0.2

    def output_config(self) -> dict[str, Any]:
        """Converse's ``outputConfig`` that asks for the schema."""
        schema = {"schema": json.dumps(SCHEMA), "name": NAME}
        return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


TEMPLATES: Mapping[str, Template] = {
    template.version: template
    for template in (
        Template(
            "1.4.0",
            "You help people who work with AWS. You are given passages of the services' documentation. "
            f"Use them where they help. {_FORM}",
        ),
        Template(
            "2.1.0",
            "You help people who work with AWS. You are given passages of the services' documentation, the best "
            "first. Answer from these passages alone, in the language of the question, in at most four sentences. "
            "Quote figures, names and limits exactly as they stand there. Where the passages do not answer the "
            f"question, say so and ask for what is missing instead of guessing. {_FORM}",
        ),
    )
}
_MARK = re.compile(r"<(?=\s*/?\s*passage)", re.IGNORECASE)
"""Where a text would begin or end a passage by itself."""

DEFAULT = "1.4.0"
"""The version for sessions of which the experiment says nothing."""


def template(version: str | None) -> Template:
    """A version's template; an unknown version gets the default."""
    return TEMPLATES.get(version or DEFAULT, TEMPLATES[DEFAULT])


def passage_block(doc_id: str, text: str, score: float) -> dict[str, object]:
    """A passage as a content block; `score` tells the budget what it is worth, and is not sent."""
    name = _MARK.sub("(", doc_id).replace('"', "'")
    return {"text": f'<passage id="{name}">{_MARK.sub("(", text)}</passage>', "score": score}


def sent(block: Mapping[str, object]) -> dict[str, object]:
    """A content block as Converse takes it."""
    return {name: value for name, value in block.items() if name != "score"}
