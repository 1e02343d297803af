"""What is known of each model: its window, its output limit, its tokenizer family, its tier, its prices.

``models.json`` holds what comes with the package; a user's own file of the same form adds to it and wins. A model is
found under any of its ids: a Bedrock id, one of a regional inference profile, an ARN, or the provider's own.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from kenshin.budget.tokenizers import FAMILIES, Family
from kenshin.errors import SettingError, UnknownModel

DEFAULT_MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"
ASSUMED_WINDOW = 200_000
PRACTICAL_RATIO = 0.025
"""The share of the window that a prompt should keep to, the proof of concept's: 5,000 of 200,000."""

LARGEST_WINDOW = 10**9
"""A window beyond this is no window."""

IDS_KEPT = 4_096
"""Ids whose model is remembered; of more, the name is taken apart at every look-up."""

_REGIONS = re.compile(r"^(?:us-gov|us|eu|apac|jp|au|ca|global)\.")
_TAIL = re.compile(r"(?:[-@]\d{8})?(?:-v\d+)?(?::\d+)?(?::\d+k)?$")


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Args:
        name: its id without provider, date and version.
        window: tokens of prompt and answer together.
        family: the tokenizer family.
        provider: who makes it; None where only the name is told.
        output_limit: the longest answer in tokens; None where it is not known.
        practical_ratio: the share of the window that a prompt should keep to.
        tier: ``light``, ``standard`` or ``premium``; None where it is not known.
        input_price: US dollars a million tokens, by list; None where it is not known. Contracts and regions differ.
        output_price: the same of the answer.
        known: False where the window is assumed.
    """

    name: str
    window: int
    family: Family
    provider: str | None = None
    output_limit: int | None = None
    practical_ratio: float = PRACTICAL_RATIO
    tier: str | None = None
    input_price: float | None = None
    output_price: float | None = None
    known: bool = field(default=True, kw_only=True)


class Models:
    """Models by name.

    Args:
        models: the later of two with the same name wins; a name may be any id of its model.
    """

    def __init__(self, models: Iterable[Model]) -> None:
        self._by_name = {model_name(model.name): model for model in models}
        self._found: dict[str, Model] = {}

    def __iter__(self) -> Any:
        return iter(self._by_name.values())

    @classmethod
    def load(cls, own: Path | None = None) -> Models:
        """The package's models, and those of a user's file.

        Raises:
            SettingError: the file cannot be read or an entry is wrong.
        """
        if own is None:
            return _packaged()
        try:
            text = own.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(
                value=str(own),
                reason=f"the file of models cannot be read ({error})",
                mend="See KENSHIN_MODELS.",
            ) from error
        return cls([*_packaged(), *_parsed(text, str(own))])

    def find(self, model_id: str, *, strict: bool = False) -> Model:
        """The model behind an id; an unknown one is assumed to have a window of 200,000 and says so by `known`.

        Raises:
            UnknownModel: the id is no text, or with `strict` names no known model.
        """
        if not isinstance(model_id, str) or not model_id.strip():
            raise UnknownModel(
                value=model_id, reason="a model id is a text", mend=f"Give one such as {DEFAULT_MODEL}."
            )
        found = self._found.get(model_id)
        if found is None:
            found = self._look_up(model_id)
            if found.known and len(self._found) < IDS_KEPT:
                self._found[model_id] = found
        if strict and not found.known:
            raise UnknownModel(
                value=model_id,
                reason="no entry of the model registry covers it",
                mend="Add it to the file that KENSHIN_MODELS names.",
            )
        return found

    def _look_up(self, model_id: str) -> Model:
        name = model_name(model_id)
        provider, _, bare = name.partition(".")
        found = self._by_name.get(name) or self._by_name.get(bare if bare else provider)
        if found is not None:
            return found
        claude = "claude" in name
        return Model(name, ASSUMED_WINDOW, "claude-4.7" if claude else "other", known=False)


def model_name(model_id: str) -> str:
    """An id without ARN, region prefix, date, version and context suffix: ``anthropic.claude-3-5-sonnet``."""
    name = model_id.strip().rpartition("/")[2].lower()
    return _TAIL.sub("", _REGIONS.sub("", name)).removesuffix("-latest")


@cache
def _packaged() -> Models:
    text = Path(__file__).with_name("models.json").read_text(encoding="utf-8")
    return Models(_parsed(text, "models.json"))


def _parsed(text: str, source: str) -> list[Model]:
    try:
        entries = json.loads(text)["models"]
        return [_model(entry) for entry in entries]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise SettingError(
            value=source,
            reason=f"not a file of models ({error})",
            mend='Write {"models": [{"name": …, "window": …, "family": …}]}; see docs/tokens.md.',
        ) from error


_POSITIVE, _PRICES = ("window", "output_limit", "practical_ratio"), ("input_price", "output_price")


def _model(entry: Mapping[str, Any]) -> Model:
    unknown = set(entry) - {each.name for each in fields(Model)} | ({"known"} & set(entry))
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    made = Model(**entry)
    if not isinstance(made.name, str) or not made.name.strip():
        raise ValueError(f"{made.name!r}: the name is no text")
    if made.family not in FAMILIES:
        raise ValueError(f"{made.name!r}: the family is one of {', '.join(FAMILIES)}")
    for key in _POSITIVE:
        value = getattr(made, key)
        if value is None and key == "output_limit":
            continue
        whole = key != "practical_ratio"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not value > 0:
            raise ValueError(f"{made.name!r}: {key} is {value!r}, not a number above 0")
        if value > LARGEST_WINDOW:
            raise ValueError(f"{made.name!r}: {key} is above {LARGEST_WINDOW}")
    for key in _PRICES:
        value = getattr(made, key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"{made.name!r}: {key} is {value!r}, not a price")
    if not all(isinstance(each, str | None) for each in (made.provider, made.tier)):
        raise ValueError(f"{made.name!r}: provider and tier are texts")
    if made.practical_ratio > 1:
        raise ValueError(f"{made.name!r}: practical_ratio is {made.practical_ratio!r}, above 1")
    return made
