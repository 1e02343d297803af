from __future__ import annotations

import pickle

import pytest

from kenshin import errors


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.KenshinError)
    ],
)
def test_every_error_says_value_reason_and_mend_and_survives_pickling(kind):
    error = pickle.loads(pickle.dumps(kind(value="x", reason="because", mend="Do that.")))  # noqa: S301
    assert isinstance(error, errors.KenshinError)
    assert str(error) == f"{kind.title}: 'x': because. Do that."
    assert error.as_dict()["reason"] == "because"
