"""Sizes from headers, of files that Pillow wrote, and of what is no file at all."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kenshin.budget.images import MOST_TOKENS, image_size, image_tokens

FORMATS = {
    "png": {},
    "gif": {},
    "jpeg": {},
    "jpeg, progressive": {"progressive": True},
    "jpeg with a preview": {"exif": b"Exif\0\0" + bytes(60_000)},
    "webp": {},
    "webp, lossless": {"lossless": True},
    "webp, extended": {"exif": b"Exif\0\0II*\0"},
}


def written(name: str, width: int, height: int) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), (9, 90, 200)).save(
        target, name.split(",")[0].split()[0], **FORMATS[name]
    )
    return target.getvalue()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (640, 480), (3, 1200)])
def test_the_size_is_read_from_the_header(name, width, height):
    assert image_size(written(name, width, height)) == (width, height)


@pytest.mark.parametrize("name", FORMATS)
def test_converse_and_messages_cost_the_same(name):
    raw = written(name, 750, 100)
    encoded = base64.b64encode(raw).decode()
    assert image_tokens({"format": "png", "source": {"bytes": raw}}) == 100
    assert image_tokens({"type": "image", "source": {"type": "base64", "data": encoded}}) == 100


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\xd0", b"\xff\xe0\0\2", b"a"])
def test_a_jpeg_of_nothing_but_filling_has_no_size(filling):
    assert image_size(b"\xff\xd8" + filling * 200_000) is None


def test_a_large_image_is_scaled_down_before_it_is_read():
    assert image_tokens({"source": {"bytes": written("png", 4000, 4000)}}) == MOST_TOKENS


@pytest.mark.parametrize(
    "image",
    [
        None,
        {},
        {"source": None},
        {"source": {"bytes": b""}},
        {"source": {"data": "é"}},
        {"source": {"s3Location": {}}},
    ],
)
def test_what_cannot_be_read_costs_the_most(image):
    assert image_tokens(image) == MOST_TOKENS


@given(st.sampled_from(sorted(FORMATS)), st.integers(0, 400), st.binary(max_size=40))
def test_a_cut_or_spoilt_file_has_a_size_or_none(name, keep, junk):
    size = image_size(written(name, 5, 7)[:keep] + junk)
    assert size is None or (size[0] > 0 and size[1] > 0)
