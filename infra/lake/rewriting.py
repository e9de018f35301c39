"""Rewrites whole units of a table through Arrow, so that neither the log nor the files say what was taken out.

DELETE and MERGE of delta-rs would do less work, but DELETE writes its predicate, with every id in it, into the log, and
both write text as Arrow's `string_view`, which Arrow itself cannot filter (`infra.lake.arrow`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from infra.contracts import contract
from infra.lake.places import Lake

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS_A_COMMIT = 31  # the writer keeps a file open for each partition


def partition_of(table: str) -> str | None:
    """The column that the table is partitioned by, None for a table in one piece."""
    return next(iter(contract(table).partition), None)


def rewrite(
    lake: Lake, table: str, units: Collection[object], change: Callable[[pa.RecordBatch], pa.RecordBatch]
) -> None:
    """Replace the units (days, datasets) by what `change` makes of their rows; a table in one piece is one unit.

    The caller holds the table's lock. A kill leaves some units as they were and some as they are to be, none between.
    """
    if (column := partition_of(table)) is None:
        _overwrite(lake, table, None, [], change)
        return
    ordered = sorted(units, key=str)
    for first in range(0, len(ordered), _UNITS_A_COMMIT):
        _overwrite(lake, table, column, ordered[first : first + _UNITS_A_COMMIT], change)


def _overwrite(
    lake: Lake, table: str, column: str | None, units: list[object],
    change: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> None:  # fmt: skip
    import pyarrow as pa
    import pyarrow.compute as pc
    from deltalake import write_deltalake

    delta = lake.open(table)
    dataset = delta.to_pyarrow_dataset()
    # The partition is in no file, so that nothing is compared with a file's bounds.
    wanted = None if column is None else pc.field(column).isin(units)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in dataset.to_batches(filter=wanted):
            if (changed := change(batch)).num_rows:
                yield changed

    literals = ", ".join("'" + str(unit).replace("'", "''") + "'" for unit in units)
    write_deltalake(
        delta,
        pa.RecordBatchReader.from_batches(dataset.schema, rows()),
        mode="overwrite",
        predicate=None if column is None else f"{column} IN ({literals})",
    )
