"""From candidates to drawn rows: one split of one dataset, without Spark.

Candidates collapse to strata (the levels of the constrained dimensions x the quality band), `allocate` says how many
rows of each, and a seeded hash says which. The result depends on ids, levels and the seed, not on the order of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.curation.constraints import ANY, NONE, OTHER, SIZE, Constraint, Strata, expand
from jobs.curation.infeasibility import ConflictingConstraints, diagnose, feasible
from jobs.curation.quotas import Allocation, Solver, allocate
from jobs.curation.representatives import Ints, Mask, representatives

ONE_PER_CONVERSATION = "one_per_conversation"
QUALITY_BAND = "quality_band"
_MICRO = 1_000_000
# Beyond this many levels of one dimension, a diagnosis sees the rest as one: they bind only at tiny sizes.
_DIAGNOSED_LEVELS = 500

Names = npt.NDArray[Any]


@dataclass(frozen=True)
class Candidates:
    """Rows that may be drawn. Every array has shape (N,); `levels` holds all dimensions of Table 1."""

    turn_id: Names
    conversation_id: Names
    levels: Mapping[str, Names]
    quality: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.turn_id)


@dataclass(frozen=True)
class Request:
    """What is asked of a split: K, constraints, and how to draw."""

    size: int
    constraints: tuple[Constraint, ...]
    seed: int = 0
    one_per_conversation: bool = True
    allow_smaller: bool = False
    solver: Solver | None = None


@dataclass(frozen=True)
class Drawn:
    """Fate of every candidate, shape (N,) each.

    reason: None when selected, else what kept the row out. stratum: None for a row that another one of its
    conversation stood for. probability: n/N of the stratum, NaN without one. `size`: the K that was solved.
    """

    size: int
    selected: Mask
    reason: Names
    stratum: Names
    probability: npt.NDArray[np.float64]
    allocation: Allocation


def draw(candidates: Candidates, request: Request) -> Drawn:
    """Solves and draws one split.

    Raises InfeasibleConstraints when no sample of K rows satisfies the hard constraints; with `allow_smaller`
    the largest smaller K that does is taken instead (and is in the answer).
    """
    ranks = _ranks(request.seed, candidates.turn_id)
    size = request.size
    while True:
        frame, strata, member = _frame(candidates, ranks, replace(request, size=size))
        try:
            allocation = allocate(strata, size, _known(request.constraints, strata), request.solver)
            break
        except ConflictingConstraints:
            error = _explained(candidates, frame, replace(request, size=size))
            smaller = error.diagnosis.largest_size
            if not request.allow_smaller or not smaller or smaller >= size:
                raise error from None
            size = smaller
    return _rows(candidates, ranks, member, allocation, strata, size)


def _ranks(seed: int, turn_ids: Names) -> Ints:
    """(N,) place of each turn in the order of sha256(seed:turn_id)."""
    digests = [hashlib.sha256(f"{seed}:{turn}".encode()).digest() for turn in turn_ids]
    ranks = np.empty(len(digests), dtype=np.int64)
    ranks[sorted(range(len(digests)), key=digests.__getitem__)] = np.arange(len(digests))
    return ranks


def _frame(candidates: Candidates, ranks: Ints, request: Request) -> tuple[Mask, Strata, Ints]:
    """The candidates that strata are made of, their strata, and each candidate's stratum (-1: none)."""
    if not request.one_per_conversation:
        frame = np.ones(len(candidates), dtype=bool)
        return frame, *_collapse(candidates, frame, request, _own_class(request))
    hard = [item for item in request.constraints if item.kind != "target"]
    floors = [
        (item, candidates.levels[item.dimension] == item.level)
        for item in hard
        if item.kind == "floor" and item.level != ANY
    ]
    _, codes = np.unique(candidates.conversation_id.astype(str), return_inverse=True)

    def enough(mask: Mask) -> bool:
        only_hard = replace(request, constraints=tuple(hard))
        strata, _ = _collapse(candidates, mask, only_hard, _own_class(request))
        return feasible(strata, request.size, _known(only_hard.constraints, strata))

    frame = representatives(codes.astype(np.int64), ranks, floors, request.size, enough)
    return frame, *_collapse(candidates, frame, request, _own_class(request))


def _own_class(request: Request) -> Callable[[Constraint, str, int], bool]:
    """A level that `ANY` caps stands on its own only when it has more rows than the cap."""

    def own(constraint: Constraint, level: str, available: int) -> bool:
        return constraint.kind != "cap" or available > constraint.wanted(request.size)

    return own


def _collapse(
    candidates: Candidates, frame: Mask, request: Request, own: Callable[[Constraint, str, int], bool]
) -> tuple[Strata, Ints]:
    """Strata of the frame's rows, in the order of their levels, and (N,) the stratum of each candidate."""
    columns: dict[str, Names] = {}
    for dimension in sorted({item.dimension for item in request.constraints} | {QUALITY_BAND}):
        column = candidates.levels[dimension][frame].astype(str)
        if dimension != QUALITY_BAND:
            column = _merged(column, [c for c in request.constraints if c.dimension == dimension], own)
        columns[dimension] = column
    coded = [np.unique(column, return_inverse=True) for column in columns.values()]
    shape = tuple(max(len(levels), 1) for levels, _ in coded)
    signature = np.ravel_multi_index(tuple(code.ravel() for _, code in coded), shape)
    cells, place = np.unique(signature, return_inverse=True)
    parts = np.unravel_index(cells, shape)
    counts = np.bincount(place, minlength=len(cells)).astype(np.int64)
    # Whole millionths: the sum is the same in any order.
    millionths = np.zeros(len(cells), dtype=np.int64)
    np.add.at(millionths, place, np.round(candidates.quality[frame] * _MICRO).astype(np.int64))
    strata = Strata(
        {name: levels[part] for name, (levels, _), part in zip(columns, coded, parts, strict=True)},
        counts,
        millionths / np.maximum(counts, 1) / _MICRO,
    )
    member = np.full(len(candidates), -1, dtype=np.int64)
    member[frame] = place
    return strata, member


def _merged(
    column: Names, constraints: Sequence[Constraint], own: Callable[[Constraint, str, int], bool]
) -> Names:
    """The column with every level that no constraint can bind written as `OTHER`."""
    levels, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    kept = [
        level == NONE
        or any(
            item.level == level or (item.level == ANY and own(item, str(level), int(count)))
            for item in constraints
        )
        for level, count in zip(levels, counts, strict=True)
    ]
    return np.where(kept, levels, OTHER).astype(object)[place].astype(str)


def _known(constraints: Sequence[Constraint], strata: Strata) -> tuple[Constraint, ...]:
    """The constraints; `ANY` of a dimension that has no level of its own left asks for nothing."""
    return tuple(item for item in constraints if item.level != ANY or expand([item], strata))


def _explained(candidates: Candidates, frame: Mask, request: Request) -> ConflictingConstraints:
    """The diagnosis with levels uncollapsed, so that it also holds for smaller sizes."""
    counted: dict[str, int] = {}
    for item in request.constraints:
        if item.level == ANY:
            levels, counts = np.unique(
                candidates.levels[item.dimension][frame].astype(str), return_counts=True
            )
            largest = sorted(zip(-counts, levels, strict=True))[:_DIAGNOSED_LEVELS]
            counted |= {f"{item.dimension}={level}": -int(count) for count, level in largest}
    hard = tuple(item for item in request.constraints if item.kind != "target")
    strata, _ = _collapse(
        candidates,
        frame,
        replace(request, constraints=hard),
        lambda item, level, _: f"{item.dimension}={level}" in counted,
    )
    return ConflictingConstraints(diagnose(strata, request.size, _known(hard, strata)))


def _rows(
    candidates: Candidates, ranks: Ints, member: Ints, allocation: Allocation, strata: Strata, size: int
) -> Drawn:
    """The first n rows of each stratum in hash order, and why the others are not among them."""
    total = len(candidates)
    order = np.lexsort([ranks, member])
    place = np.empty(total, dtype=np.int64)
    starts = np.searchsorted(member[order], np.arange(len(strata)))
    inside = member >= 0
    sorted_member = member[order]
    offset = np.where(sorted_member >= 0, starts[np.maximum(sorted_member, 0)], 0)
    place[order] = np.arange(total) - offset
    wanted = np.append(allocation.selected, 0)[member]
    selected = inside & (place < wanted)
    labels = np.array(
        [
            "|".join(f"{name}={strata.levels[name][cell]}" for name in sorted(strata.levels))
            for cell in range(len(strata))
        ],
        dtype=object,
    )
    blocked = np.array(allocation.blocked_by, dtype=object)
    reason = np.where(
        inside,
        np.append(blocked, np.array([ONE_PER_CONVERSATION], dtype=object))[member],
        ONE_PER_CONVERSATION,
    )
    reason[selected] = None
    share = np.append(allocation.selected / np.maximum(strata.available, 1), np.nan)
    return Drawn(
        size=size,
        selected=selected,
        reason=reason,
        stratum=np.concatenate([labels, np.array([None], dtype=object)])[member],
        probability=share[member],
        allocation=allocation,
    )


__all__ = ["NONE", "ONE_PER_CONVERSATION", "SIZE", "Candidates", "Drawn", "Request", "draw"]
