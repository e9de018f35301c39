"""Collapses candidate rows to strata: the levels of the constrained dimensions x the quality band.

A million rows become some ten thousand strata, because a level that no constraint can bind needs none of its own: of a
thousand characters, the few with more candidates than their cap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.curation.sampling.constraints import ANY, NONE, OTHER, Constraint, Counts, Strata
from jobs.curation.sampling.labels import Labels, Mask

QUALITY_BAND = "quality_band"
_MICRO = 1_000_000
# Beyond this many levels of one dimension, a smaller size is looked for as if the rest could not bind.
_LEVELS_AT_SMALLER_SIZES = 500

StandsAlone = Callable[[Constraint, str, int], bool]
"""(constraint on `ANY`, level, its rows) -> whether that level needs strata of its own."""


@dataclass(frozen=True)
class Candidates:
    """Rows that may be drawn: N of them. `levels` holds all dimensions of Table 1."""

    turn_id: pa.Array
    conversation_id: Labels
    levels: Mapping[str, Labels]
    quality: npt.NDArray[np.float64]

    @staticmethod
    def of(table: pa.Table, dimensions: Sequence[str]) -> Candidates:
        """From the columns turn_id, conversation_id, quality and the dimensions."""
        ids = table.column("turn_id").combine_chunks()
        return Candidates(
            turn_id=ids if isinstance(ids, pa.Array) else pa.array([], pa.string()),
            conversation_id=Labels.of(table.column("conversation_id")),
            levels={name: Labels.of(table.column(name)) for name in dimensions},
            quality=np.asarray(table.column("quality").to_numpy(), dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.turn_id)

    @property
    def level_names(self) -> dict[str, list[str]]:
        """Names of each dimension's levels."""
        return {name: labels.names.tolist() for name, labels in self.levels.items()}


def binding_at(size: int) -> StandsAlone:
    """A level that `ANY` caps stands alone when it has more rows than the cap at K = `size`."""
    return lambda constraint, _, rows: constraint.kind != "cap" or rows > constraint.wanted(size)


def binding_below(
    candidates: Candidates, frame: Mask, size: int, constraints: Sequence[Constraint]
) -> StandsAlone:
    """As `binding_at`, and so do the largest levels: at a smaller K they bind too."""
    largest: set[tuple[str, str]] = set()
    for dimension in {item.dimension for item in constraints if item.level == ANY}:
        counts = candidates.levels[dimension].counts(frame)
        by_rows = sorted(counts, key=lambda level: (-counts[level], level))
        largest |= {(dimension, level) for level in by_rows[:_LEVELS_AT_SMALLER_SIZES]}
    now = binding_at(size)
    return lambda item, level, rows: (item.dimension, level) in largest or now(item, level, rows)


def collapse(
    candidates: Candidates, frame: Mask, constraints: Sequence[Constraint], alone: StandsAlone
) -> tuple[Strata, Counts]:
    """Strata of the frame's rows, in the order of their levels, and (N,) the stratum of each candidate (-1: none)."""
    columns: dict[str, Labels] = {}
    for dimension in sorted({item.dimension for item in constraints} | {QUALITY_BAND}):
        labels = candidates.levels[dimension]
        column = Labels(labels.names, labels.codes[frame])
        if dimension != QUALITY_BAND:
            column = _merged(column, [item for item in constraints if item.dimension == dimension], alone)
        columns[dimension] = column
    shape = tuple(max(len(column.names), 1) for column in columns.values())
    signature = np.ravel_multi_index(tuple(column.codes for column in columns.values()), shape)
    cells, place = np.unique(signature, return_inverse=True)
    counts = np.bincount(place, minlength=len(cells)).astype(np.int64)
    # Whole millionths: the sum is the same in any order.
    millionths = np.zeros(len(cells), dtype=np.int64)
    np.add.at(millionths, place, np.round(candidates.quality[frame] * _MICRO).astype(np.int64))
    strata = Strata(
        {
            name: column.names[part]
            for (name, column), part in zip(columns.items(), np.unravel_index(cells, shape), strict=True)
        },
        counts,
        millionths / np.maximum(counts, 1) / _MICRO,
    )
    member = np.full(len(candidates), -1, dtype=np.int64)
    member[frame] = place
    return strata, member


def _merged(column: Labels, constraints: Sequence[Constraint], alone: StandsAlone) -> Labels:
    """The column with every level that needs no strata of its own written as `OTHER`."""
    counts = column.counts()
    own = {item.level for item in constraints}
    every = [item for item in constraints if item.level == ANY]
    written = {
        level: level
        if level == NONE or level in own or any(alone(item, level, rows) for item in every)
        else OTHER
        for level, rows in counts.items()
    }
    return Labels.coded([written.get(level, OTHER) for level in column.names.tolist()], column.codes)


__all__ = ["QUALITY_BAND", "Candidates", "StandsAlone", "binding_at", "binding_below", "collapse"]
