"""Parquet as the lake keeps it: zstd, UTC microseconds, the schema's name and version in the metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_KEY = b"kenshin.schema"


def encode(
    table: pa.Table,
    *,
    schema: str,
    sort_by: Sequence[str],
    distinct: Sequence[str] = (),
    plain: Sequence[str] = (),
) -> bytes:
    """A table as Parquet bytes; sorted, the same rows in any order give the same bytes.

    Args:
        table: the rows.
        schema: name and version, e.g. ``observations/1``.
        sort_by: columns that order the rows totally; empty: the rows stay as they are.
        distinct: columns whose values hardly repeat, so that a dictionary would not pay.
        plain: such columns that are not even compressed, since they hardly shrink and are read often; only for
            tables without nested columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = table.sort_by([(name, "ascending") for name in sort_by]) if sort_by else table
    ordered = ordered.combine_chunks().replace_schema_metadata({SCHEMA_KEY: schema.encode()})
    sink = pa.BufferOutputStream()
    names = ordered.column_names
    repeating = [name for name in names if name not in plain and name not in distinct]
    pq.write_table(
        ordered,
        sink,
        compression={name: "none" if name in plain else "zstd" for name in names} if plain else "zstd",
        use_dictionary=repeating if plain or distinct else True,
        coerce_timestamps="us",
        write_statistics=True,
    )
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def check_schema(path: str, *, schema: str) -> None:
    """Refuse a Parquet file of another schema or version; raises InvalidInput."""
    import pyarrow.parquet as pq

    found = (pq.read_schema(path).metadata or {}).get(SCHEMA_KEY, b"none").decode()
    if found != schema:
        raise InvalidInput(
            value=path, reason=f"its schema is {found}, not {schema}", mend="Make the partition again."
        )
