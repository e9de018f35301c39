"""Draws one split of one dataset from its candidates, without Spark.

Candidates collapse to strata, `allocate` says how many rows of each, and a seeded hash says which. The result depends
on ids, levels and the seed, not on the order of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.curation.sampling.bounds import HardBounds
from jobs.curation.sampling.constraints import SIZE, Constraint, Counts, Strata, expand
from jobs.curation.sampling.infeasibility import ConflictingConstraints, Diagnosis, binding, diagnose
from jobs.curation.sampling.labels import Labels, Mask
from jobs.curation.sampling.quotas import Allocation, Solver, allocate
from jobs.curation.sampling.relaxation import Relaxed, relax, relaxable, relaxed_constraints
from jobs.curation.sampling.representatives import Ints, fewest_moved, kinds_of, representatives
from jobs.curation.sampling.strata import Candidates, StandsAlone, binding_at, binding_below, collapse

ONE_PER_CONVERSATION = "one_per_conversation"


@dataclass(frozen=True)
class Request:
    """Request for a split: K, constraints, those that may give way, and how to draw."""

    size: int
    constraints: tuple[Constraint, ...]
    seed: int = 0
    one_per_conversation: bool = True
    relax: tuple[str, ...] = ()
    allow_smaller: bool = False
    solver: Solver | None = None


@dataclass(frozen=True)
class Settled:
    """What is solved for: the request's own K and constraints, or what they gave way to.

    Attributes:
        shrunk_by: why K is smaller than it was asked for; None where it is not.
    """

    size: int
    constraints: tuple[Constraint, ...]
    relaxed: tuple[Relaxed, ...] = ()
    shrunk_by: Diagnosis | None = None


@dataclass(frozen=True)
class Drawn:
    """Fate of every candidate, shape (N,) each, and what was solved for.

    reason: what kept a row out; none when selected. stratum: none for a row that another one of its conversation
    stood for. probability: n/N of the stratum, NaN without one.
    """

    settled: Settled
    selected: Mask
    reason: Labels
    stratum: Labels
    probability: npt.NDArray[np.float64]
    allocation: Allocation

    @property
    def size(self) -> int:
        """Rows drawn."""
        return self.settled.size


def draw(candidates: Candidates, request: Request) -> Drawn:
    """Solves and draws one split.

    When no sample of K rows satisfies the hard constraints, those that `relax` names give way in its order; where
    that is not enough, `allow_smaller` takes the largest smaller K at which it is.

    Raises InfeasibleConstraints when neither is allowed or enough.
    """
    ranks = _ranks(request.seed, candidates.turn_id)
    frame, settled = _settle(candidates, ranks, request)
    strata, member = collapse(candidates, frame, settled.constraints, binding_at(settled.size))
    allocation = allocate(strata, settled.size, settled.constraints, request.solver)
    return _rows(candidates, ranks, member, strata, allocation, settled)


def _settle(candidates: Candidates, ranks: Ints, request: Request) -> tuple[Mask, Settled]:
    """The candidates that strata are made of, and a K and constraints that can hold among them."""
    # A level without a representative must not slip out of a floor on every level.
    constraints = expand(request.constraints, candidates.level_names, kinds=("floor", "target"))
    size = request.size
    # What was wrong with K as it was asked for; a smaller one may meet other bounds.
    shrunk_by: Diagnosis | None = None
    while True:
        frame, holds = _frame(candidates, ranks, constraints, size, request.one_per_conversation)
        if holds:
            return frame, Settled(size, constraints, shrunk_by=shrunk_by)
        bounds = _by_conversation(candidates, constraints, size) if request.one_per_conversation else None
        settled = _given_way(
            bounds or _within(candidates, frame, constraints, size), constraints, size, request
        )
        if isinstance(settled, Settled):
            settled = replace(settled, shrunk_by=shrunk_by)
            return _fewest_moved(candidates, ranks, settled) if bounds else frame, settled
        shrunk_by = shrunk_by or settled
        size = settled.largest_size or 0


def _given_way(
    bounds: HardBounds, constraints: tuple[Constraint, ...], size: int, request: Request
) -> Settled | Diagnosis:
    """The constraints that give way at K = `size`, if any must; or why none may, with a smaller size to try.

    Raises ConflictingConstraints when what may give way is not enough.
    """
    if bounds.hold(size, bounds.all):
        return Settled(size, constraints)
    relaxed = relax(bounds, size, request.relax)
    if relaxed is not None:
        return Settled(size, relaxed_constraints(constraints, relaxed, size), relaxed)
    diagnosis = diagnose(bounds, size, relaxable(bounds, request.relax))
    smaller = diagnosis.largest_size
    if not request.allow_smaller or not smaller or smaller >= size:
        raise ConflictingConstraints(diagnosis)
    return diagnosis


def _ranks(seed: int, turn_ids: pa.Array) -> Ints:
    """(N,) place of each turn in the order of sha256(seed:turn_id)."""
    digests = [hashlib.sha256(f"{seed}:{turn}".encode()).digest() for turn in turn_ids.to_pylist()]
    ranks = np.empty(len(digests), dtype=np.int64)
    ranks[sorted(range(len(digests)), key=digests.__getitem__)] = np.arange(len(digests))
    return ranks


def _frame(
    candidates: Candidates,
    ranks: Ints,
    constraints: Sequence[Constraint],
    size: int,
    one_per_conversation: bool,
) -> tuple[Mask, bool]:
    """Candidates to make strata of, chosen by hash, and whether the hard constraints can hold among them."""

    def enough(mask: Mask) -> bool:
        bounds, _ = _grouped(candidates, mask, constraints, binding_at(size))
        return bounds.hold(size, bounds.all)

    if not one_per_conversation:
        every = np.ones(len(candidates), dtype=bool)
        return every, enough(every)
    floors = [(item, candidates.levels[item.dimension]) for item in constraints if item.kind == "floor"]
    return representatives(candidates.conversation_id.codes, ranks, floors, size, enough)


def _within(candidates: Candidates, frame: Mask, constraints: Sequence[Constraint], size: int) -> HardBounds:
    """The hard constraints over the frame, at this K and below."""
    return _grouped(candidates, frame, constraints, binding_below(candidates, frame, size, constraints))[0]


def _by_conversation(
    candidates: Candidates, constraints: Sequence[Constraint], size: int
) -> HardBounds | None:
    """As `_within`, over every choice of a turn a conversation; None when there are too many to look at."""
    every = np.ones(len(candidates), dtype=bool)
    bounds, groups = _grouped(
        candidates, every, constraints, binding_below(candidates, every, size, constraints)
    )
    kinds = kinds_of(candidates.conversation_id.codes, groups, len(bounds.available))
    return None if kinds is None else bounds.one_per_conversation(kinds)


def _fewest_moved(candidates: Candidates, ranks: Ints, settled: Settled) -> Mask:
    """Candidates, one a conversation, among which what was settled can hold, where no choice by hash does."""
    every = np.ones(len(candidates), dtype=bool)
    bounds, groups = _grouped(candidates, every, settled.constraints, binding_at(settled.size))
    return fewest_moved(candidates.conversation_id.codes, ranks, groups, bounds, settled.size)


def _grouped(
    candidates: Candidates, frame: Mask, constraints: Sequence[Constraint], alone: StandsAlone
) -> tuple[HardBounds, Counts]:
    """The hard constraints over the frame's candidates, and (N,) the group of each (-1: outside)."""
    hard = [item for item in constraints if item.kind != "target"]
    strata, member = collapse(candidates, frame, hard, alone)
    bounds, group = HardBounds.grouped(strata, hard)
    return bounds, np.append(group, -1)[member]


def _rows(
    candidates: Candidates,
    ranks: Ints,
    member: Counts,
    strata: Strata,
    allocation: Allocation,
    settled: Settled,
) -> Drawn:
    """The first n rows of each stratum in hash order, and why the others are not among them."""
    inside = member >= 0
    order = np.lexsort([ranks, member])
    ordered = member[order]
    first = np.searchsorted(ordered, np.arange(len(strata)))
    place = np.empty(len(candidates), dtype=np.int64)
    place[order] = np.arange(len(candidates)) - np.append(first, 0)[ordered]
    selected = inside & (place < np.append(allocation.selected, 0)[member])
    share = np.append(allocation.selected / np.maximum(strata.available, 1), np.nan)
    names = sorted(strata.levels)
    columns = [strata.levels[name].tolist() for name in names]
    labels = [
        "|".join(f"{name}={level}" for name, level in zip(names, levels, strict=True))
        for levels in zip(*columns, strict=True)
    ]
    reason = np.where(inside, member, len(strata))
    return Drawn(
        settled=settled,
        selected=selected,
        reason=Labels.coded(
            [*(_bound(name, settled) for name in allocation.blocked_by), ONE_PER_CONVERSATION],
            np.where(selected, -1, reason),
        ),
        stratum=Labels.coded(labels, member),
        probability=share[member],
        allocation=allocation,
    )


def _bound(name: str, settled: Settled) -> str:
    """What kept rows out: where K itself came down, not the size but what brought it down."""
    return binding(settled.shrunk_by) if name == SIZE and settled.shrunk_by is not None else name


__all__ = ["ONE_PER_CONVERSATION", "SIZE", "Drawn", "Request", "Settled", "draw"]
