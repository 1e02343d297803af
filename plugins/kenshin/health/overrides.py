"""Breakers held open or closed by hand, for all processes: one document that lives with the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

from kenshin.documents import Documents
from kenshin.errors import Conflict, InvalidInput
from kenshin.health.breaker import Override
from kenshin.signals.bedrock import model_name

DOCUMENT = "breakers"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class BreakerOverride:
    """One override.

    Args:
        model: the model's name, the last segment of its ARN.
        mode: ``open``: all calls are refused; ``closed``: all go through, whatever their rates.
        region: where it holds; None: everywhere.
        by: who set it.
        at: when, as ISO 8601.
    """

    model: str
    mode: Override
    region: str | None = None
    by: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        if self.mode not in ("open", "closed"):
            raise InvalidInput(
                value=self.mode, reason="no mode of a breaker", mend="Use open or closed, or clear it."
            )
        if not isinstance(self.model, str) or not self.model.strip():
            raise InvalidInput(value=self.model, reason="names no model", mend="Give a model id.")

    @property
    def place(self) -> str:
        """What it holds for: ``model``, or ``model@region``."""
        return place_of(self.model, self.region)

    def as_dict(self) -> dict[str, Any]:
        """The override at a JSON edge."""
        return asdict(self)


def place_of(model_id: str, region: str | None) -> str:
    """A model in a region as one word; without a region, the model everywhere."""
    name = model_name(model_id)
    return f"{name}@{region}" if region else name


def overrides_in(documents: Documents) -> Sequence[BreakerOverride]:
    """The overrides in force.

    Raises:
        InvalidInput: the document holds something else.
    """
    found = documents.get(DOCUMENT)
    return [] if found is None else list(_parsed(found.value).values())


def set_override(documents: Documents, wanted: BreakerOverride) -> None:
    """Set an override, for all processes within seconds; what held for the same place is replaced.

    Raises:
        Conflict: others write all the time.
        InvalidInput: the document in force cannot be read.
    """
    _changed(documents, {wanted.place: wanted})


def clear_override(documents: Documents, model_id: str, region: str | None = None) -> bool:
    """Let the breakers decide again; answers whether there was an override.

    Raises:
        Conflict: others write all the time.
        InvalidInput: the document in force cannot be read.
    """
    return _changed(documents, {place_of(model_id, region): None})


def now_as_text(now: datetime) -> str:
    """An instant as overrides state it."""
    return now.isoformat(timespec="seconds")


def _changed(documents: Documents, changes: Mapping[str, BreakerOverride | None]) -> bool:
    for left in reversed(range(_TRIES)):
        found = documents.get(DOCUMENT)
        before = {} if found is None else _parsed(found.value)
        after = {place: each for place, each in {**before, **changes}.items() if each is not None}
        if after == before:
            return False
        body = {"overrides": [each.as_dict() for each in after.values()]}
        try:
            documents.put(DOCUMENT, body, expected=None if found is None else found.version)
        except Conflict:
            if not left:
                raise
        else:
            break
    return True


def _parsed(body: Mapping[str, object]) -> dict[str, BreakerOverride]:
    try:
        entries = cast("Sequence[Mapping[str, Any]]", body["overrides"])
        made = [BreakerOverride(**each) for each in entries]
    except (KeyError, TypeError) as error:
        raise InvalidInput(
            value=DOCUMENT,
            reason=f"the document holds no overrides ({error})",
            mend='Write {"overrides": []} as the document "breakers" of the registry.',
        ) from error
    return {each.place: each for each in made}
