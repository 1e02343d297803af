from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import InvalidInput
from kenshin.experiments.columns import OPTIONAL, REQUIRED, ColumnMap


def test_a_column_fills_the_field_of_its_name_unless_another_is_mapped_to_it():
    columns = ColumnMap({"arm": "variant", "metrics.cost": "usd", "intent": ""})
    assert columns.field_of("variant") == "arm"
    assert columns.field_of("usd") == "metrics.cost"
    assert columns.field_of("session_id") == "session_id"
    assert [columns.field_of(name) for name in ("arm", "group", "intent", "colour")] == [None] * 4


def test_an_old_name_may_be_a_target():
    assert ColumnMap({"timestamp": "ts"}).field_of("ts") == "observed_at"


def test_values_that_are_not_named_stay():
    columns = ColumnMap(values={"arm": {"control": "A", "1": "B", "true": "B"}})
    cells = ["control", "other", 1, True, 1.0, None, ["control"]]
    assert [columns.value("arm", cell) for cell in cells] == ["A", "other", "B", "B", 1.0, None, ["control"]]
    assert columns.value("intent", "control") == "control"


@pytest.mark.parametrize(
    ("columns", "values", "said"),
    [
        (["when=ts"], [], "when"),
        (["arm"], [], "FIELD=COLUMN"),
        ([], ["arm=A"], "FIELD.VALUE=MEANING"),
        ([], ["arm.control"], "FIELD.VALUE=MEANING"),
        ([], ["variant.control=A"], "variant"),
        ([], ["metrics.rating.up=1"], "map file"),
        (["metrics.a b=x"], [], "figure's name"),
        (["arm=x", "intent=x"], [], "two fields"),
    ],
)
def test_what_means_nothing_is_refused(columns, values, said):
    with pytest.raises(InvalidInput, match=said):
        ColumnMap.parse(columns, values)


def test_an_unknown_target_names_the_known_ones():
    with pytest.raises(InvalidInput) as caught:
        ColumnMap({"when": "ts"})
    assert all(name in caught.value.mend for name in (*REQUIRED, *OPTIONAL, "metrics.<name>"))


def test_options_go_before_the_file(tmp_path):
    path = tmp_path / "map.json"
    body = {
        "columns": {"arm": "variant", "intent": "topic"},
        "values": {"arm": {"control": "A", "test": "B"}, "metrics.rating": {"good": 1}},
    }
    path.write_text(json.dumps(body))
    columns = ColumnMap.parse(["arm=bucket"], ["arm.test=C"], file=path)
    assert columns.columns == {"arm": "bucket", "intent": "topic"}
    assert columns.values == {"arm": {"control": "A", "test": "C"}, "metrics.rating": {"good": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"column": {}}',
        '{"columns": []}',
        '{"values": {"arm": "A"}}',
        '{"columns": {"arm": 1}}',
        '{"columns": {"when": "ts"}}',
    ],
)
def test_a_map_file_that_means_nothing_is_refused(tmp_path, text):
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        ColumnMap.parse(file=tmp_path / "map.json")
    assert caught.value.mend


@given(st.dictionaries(st.sampled_from([*REQUIRED, *OPTIONAL, "metrics.x"]), st.text(min_size=1)))
def test_every_mapped_column_fills_its_field_alone(columns):
    if len(set(columns.values())) < len(columns):
        return
    made = ColumnMap(columns)
    assert {made.field_of(column): column for column in columns.values()} == columns
