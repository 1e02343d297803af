from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import InvalidName
from kenshin.names import checked


@pytest.mark.parametrize("name", ["star-class-size", "a", "A.b_c-9", "x" * 64])
def test_a_plain_name_is_kept(name):
    assert checked(name, what="an experiment") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", "../etc", "a/b", "a#b", "-a", "a b", "ä", "x" * 65, "a\n", "a\0", None, 7]
)
def test_what_could_become_another_path_or_key_is_refused(name):
    with pytest.raises(InvalidName, match="not usable as the name of an experiment"):
        checked(name, what="an experiment")


@given(st.text())
def test_a_name_that_passes_stays_inside_its_folder(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        checked(name, what="an index")
    except InvalidName:
        return
    assert (folder / name).resolve().parent == folder.resolve()
