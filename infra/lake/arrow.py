"""A table as Arrow data that DuckDB may filter, whichever engine wrote its files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.dataset as pads
    from deltalake import DeltaTable


def queryable(
    delta: DeltaTable,
    partitions: list[tuple[str, str, Any]] | None = None,
    days: Iterable[date] | None = None,
) -> pads.Dataset | pads.Scanner:
    """The table's rows, of some partitions or days if given, to register with DuckDB.

    delta-rs writes text as `string_view` when it deletes or merges, and says so in the file. Arrow then compares a
    filter with the file's bounds, for which it has no function. Such a table is read without filters; DuckDB has its
    own.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    dataset = delta.to_pyarrow_dataset(partitions=partitions)
    condition = None if days is None else pc.field("ds").isin(pa.array(sorted(days), pa.date32()))
    # A footer that was read here is not read again by the scan.
    if any("_view" in str(field.type) for f in dataset.get_fragments() for field in f.physical_schema):
        return dataset.scanner(filter=condition)
    return dataset if condition is None else dataset.filter(condition)
