"""Arrow frames on their way into a table: given the DDL's columns and types, then measured.

The measure is rows and content hash by day; NOT NULL and the key are checked with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from infra.content_hash import row_hashes
from infra.contracts import Contract
from infra.errors import ContractError

_TEXTS = (pa.string(), pa.large_string(), pa.string_view())


@dataclass(frozen=True)
class Measure:
    """Rows and content hash by day; the only day is None where the table has no `ds`.

    A day's hash is the number of its rows and the sum of their 64-bit hashes (`infra.content_hash`) over all columns
    but `run_id`: it depends neither on the order of the rows nor on how they are partitioned.
    """

    rows: dict[date, int]
    content_hashes: dict[date, str]


def arrow_table(table: Contract, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table with the columns of a job's frame; what a row leaves out is NULL, times carry a timezone."""
    schema = table.arrow_schema(table.job_columns)
    arrays = [
        pa.array(
            [list(v.items()) if isinstance(v := row.get(field.name), dict) and pa.types.is_map(field.type) else v
             for row in rows],
            type=field.type,
        )
        for field in schema
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=schema)


def conform_arrow(table: Contract, frame: pa.Table, run_id: str) -> pa.Table:
    """The frame with the DDL's columns in their order, or an error that says how it differs.

    Forms that hold the same values (a dictionary, a large string, another unit of time) become the DDL's.

    Raises:
        ContractError: a column is missing, too many or of another type.
    """
    if "run_id" in frame.column_names:
        frame = frame.drop_columns(["run_id"])
    frame = frame.append_column("run_id", pa.repeat(pa.scalar(run_id, pa.string()), frame.num_rows))
    _check_names(table, frame.column_names)
    schema = table.arrow_schema()
    for field in schema:
        if not _holds_the_same(frame.schema.field(field.name).type, field.type):
            raise ContractError(
                f"column {field.name} is {frame.schema.field(field.name).type}, the DDL says {field.type}",
                table=table.name,
            )
    return frame.select(list(schema.names)).cast(schema)


def measure_arrow(table: Contract, frame: pa.Table) -> Measure:
    """Measure a conformed Arrow frame.

    Raises:
        ContractError: a required column is NULL, or a key stands more than once.
    """
    _check_nulls(table, {c.name: frame[c.name].null_count for c in table.columns if not c.nullable})
    groups = frame.select(table.key).group_by(list(table.key), use_threads=False)
    counts = groups.aggregate([([], "count_all")])["count_all"].to_pylist()
    _check_key(table, sum(count > 1 for count in counts))
    days = frame["ds"].to_pylist() if "ds" in table.column_names else [None] * frame.num_rows
    rows = Counter(days)
    sums: Counter[Any] = Counter()
    for day, value in zip(days, row_hashes(frame.select(table.job_columns)).tolist(), strict=True):
        sums[day] += value
    return Measure(dict(rows), {day: f"{count}:{sums[day]}" for day, count in rows.items()})


def _check_names(table: Contract, names: Sequence[str]) -> None:
    missing = [name for name in table.column_names if name not in names]
    extra = sorted(set(names) - set(table.column_names))
    if missing or extra:
        raise ContractError(f"the frame lacks {missing} and has {extra} too many", table=table.name)
    if len(set(names)) < len(names):
        raise ContractError("the frame has two columns of one name", table=table.name)


def _check_nulls(table: Contract, nulls: Mapping[str, int]) -> None:
    for name, count in nulls.items():
        if count:
            raise ContractError(f"column {name} is NULL in {count} rows", table=table.name)


def _check_key(table: Contract, twice: int) -> None:
    if twice:
        raise ContractError(
            f"{twice} keys ({', '.join(table.key)}) stand more than once in the frame", table=table.name
        )


def _holds_the_same(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a cast between the types keeps every value."""
    if given == wanted or pa.types.is_null(given):
        return True
    if pa.types.is_dictionary(given):
        return _holds_the_same(given.value_type, wanted)
    if pa.types.is_timestamp(wanted):
        return pa.types.is_timestamp(given) and given.tz is not None
    if pa.types.is_map(wanted):
        return pa.types.is_map(given) and all(
            _holds_the_same(part, other)
            for part, other in ((given.key_type, wanted.key_type), (given.item_type, wanted.item_type))
        )
    if pa.types.is_list(wanted):
        return any(
            check(given) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        ) and _holds_the_same(given.value_type, wanted.value_type)
    if pa.types.is_struct(wanted):
        names = [field.name for field in wanted]
        return pa.types.is_struct(given) and [field.name for field in given] == names and all(
            _holds_the_same(given.field(name).type, wanted.field(name).type) for name in names
        )  # fmt: skip
    return given in _TEXTS and wanted in _TEXTS
