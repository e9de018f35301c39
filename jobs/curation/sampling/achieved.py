"""Reports requested and achieved rows of a dataset: the rows of `curation.constraints`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jobs.curation.sampling.attributes import DIMENSIONS
from jobs.curation.sampling.constraints import ANY, SIZE, Constraint, apportion, expand
from jobs.curation.sampling.draw import Drawn, Request
from jobs.curation.sampling.infeasibility import Diagnosis
from jobs.curation.sampling.strata import Candidates
from jobs.curation.sampling.supply import Supplies, Supply, total

COLUMNS: Final = (
    "split", "dimension", "level", "kind", "wanted", "used", "relax_order",
    "available", "before", "achieved", "slack", "sample_size", "optimality_gap",
)  # fmt: skip


@dataclass(frozen=True)
class Solved:
    """One split, drawn: its candidates, what was asked of them and what came of it (None: nothing could be drawn).

    Attributes:
        failed_by: why nothing could be drawn, where constraints conflict at every size.
    """

    split: str
    candidates: Candidates
    request: Request
    drawn: Drawn | None
    failed_by: Diagnosis | None = None

    @property
    def shrunk_by(self) -> Diagnosis | None:
        """Why there are fewer rows than asked for; None where there are not."""
        return self.failed_by if self.drawn is None else self.drawn.settled.shrunk_by


def constraint_rows(solved: Solved, supply_by_level: Supplies) -> list[tuple[Any, ...]]:
    """Rows of `curation.constraints` of one split: the size, every constraint, and every level without one.

    `achieved` is counted from the drawn rows, not taken from the solver.
    """
    drawn, candidates = solved.drawn, solved.candidates
    size = 0 if drawn is None else drawn.size
    gap = 0.0 if drawn is None else drawn.allocation.optimality_gap
    chosen = np.zeros(len(candidates), dtype=bool) if drawn is None else drawn.selected
    bounds: dict[tuple[str, str], list[_Bound]] = {}
    for bound in _bounds(solved, size):
        bounds.setdefault((bound.constraint.dimension, bound.constraint.level), []).append(bound)
    have, want = int(chosen.sum()), solved.request.size
    rows: list[tuple[Any, ...]] = [
        (solved.split, SIZE, "all", "target", float(want), float(size), None, len(candidates),
         total(supply_by_level, solved.split).traffic, have, float(abs(have - want)), size, gap)
    ]  # fmt: skip
    for dimension in DIMENSIONS:
        column = candidates.levels[dimension]
        available, achieved = column.counts(), column.counts(chosen)
        traffic = {lv for (split, name, lv) in supply_by_level if (split, name) == (solved.split, dimension)}
        named = {level for name, level in bounds if name == dimension}
        for level in sorted({*available, *traffic, *named}):
            before = supply_by_level.get((solved.split, dimension, level), Supply(0, 0, 0)).traffic
            have = achieved.get(level, 0)
            counts = (available.get(level, 0), before, have)
            for bound in bounds.get((dimension, level), []):
                rows.append((solved.split, dimension, level, bound.constraint.kind, float(bound.wanted),
                             float(bound.used), bound.relax_order, *counts, bound.slack(have), size, gap))  # fmt: skip
            if (dimension, level) not in bounds:
                rows.append(
                    (solved.split, dimension, level, "monitored", None, None, None, *counts, None, size, gap)
                )
    return rows


@dataclass(frozen=True)
class _Bound:
    """One constraint on one level: rows asked for, rows that it came down (or up) to, and by which entry of `relax`."""

    constraint: Constraint
    wanted: int
    used: int
    relax_order: int | None

    def slack(self, have: int) -> float:
        """Room to what was asked: below 0 for a floor or cap that gave way."""
        if self.constraint.kind == "floor":
            return float(have - self.wanted)
        return float(self.wanted - have if self.constraint.kind == "cap" else abs(have - self.wanted))


def _bounds(solved: Solved, size: int) -> list[_Bound]:
    """Every constraint, `ANY` spelled out for each level that candidates have."""
    levels = solved.candidates.level_names
    expanded = expand(solved.request.constraints, levels)
    wanted = apportion(expanded, size)
    if solved.drawn is None:
        return [_Bound(item, want, want, None) for item, want in zip(expanded, wanted, strict=True)]
    settled = solved.drawn.settled
    used = [item.wanted(size) for item in expand(settled.constraints, levels)]
    orders = {
        (
            relaxation.constraint.kind,
            relaxation.constraint.dimension,
            relaxation.constraint.level,
        ): relaxation.order
        for relaxation in settled.relaxed
    }
    result = []
    for item, want, use in zip(expanded, wanted, used, strict=True):
        own = (item.kind, item.dimension, item.level)
        order = orders.get(own, orders.get((item.kind, item.dimension, ANY)))
        gave_way = item.kind != "target" and use != want
        result.append(_Bound(item, want, use if gave_way else want, order if gave_way else None))
    return result


__all__ = ["COLUMNS", "Solved", "constraint_rows"]
