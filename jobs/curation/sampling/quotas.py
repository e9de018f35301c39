"""Whole-number allocation of a sample to strata under joint constraints (section 2.2.1, Table 1).

Hard, never relaxed: the size K, floors of ceil(share * K), caps of floor(share * K), and no more rows of a
stratum than it has. Soft, in this order: the weighted L1 distance to the targets; where supply rules some of
them out, the distance to targets that spread the missing rows over the other levels in proportion; the sum of
quality. An LP each gives the bounds; its vertex is made whole by a small MILP over the strata it left
fractional, and by the whole MILP when that is not enough. The gap to the best proven bound is in the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from infra.errors import SettingsError
from jobs.curation.sampling.constraints import (
    ANY,
    NONE,
    OTHER,
    SIZE,
    Constraint,
    Counts,
    Strata,
    Values,
    apportion,
    expand,
    spread,
)
from jobs.curation.sampling.infeasibility import ConflictingConstraints, explain

__all__ = [
    "ANY",
    "NONE",
    "OTHER",
    "SIZE",
    "Achieved",
    "Allocation",
    "Constraint",
    "Solver",
    "Strata",
    "allocate",
]


@dataclass(frozen=True)
class Solver:
    """How hard to look. Limits are counts, not seconds, so that every machine finds the same answer."""

    max_gap: float = 1e-4
    pool: int = 400
    max_nodes: int = 20_000
    widest_pool: int = 20_000


@dataclass(frozen=True)
class Achieved:
    """What became of one constraint. `slack`: rows inside the bound; for a target, rows missed."""

    constraint: Constraint
    wanted: int
    available: int
    achieved: int
    binding: bool

    @property
    def slack(self) -> int:
        kind = self.constraint.kind
        if kind == "floor":
            return self.achieved - self.wanted
        return self.wanted - self.achieved if kind == "cap" else abs(self.achieved - self.wanted)


@dataclass(frozen=True)
class Allocation:
    """A solved sample: rows per stratum, and how good that is.

    selected: (S,) rows; distance: weighted L1 distance to the targets, in rows; quality: summed over rows;
    optimality_gap: relative to the best proven bound, which is the LP's unless `bound` says that branch and
    bound proved a tighter one; lp_gap: relative to the LP's. blocked_by: (S,) what most kept each stratum's
    other rows out, `size` when nothing else did.
    """

    selected: Counts
    achieved: tuple[Achieved, ...]
    distance: float
    quality: float
    optimality_gap: float
    lp_gap: float
    bound: Literal["lp", "branch_and_bound"]
    blocked_by: tuple[str, ...]

    @property
    def size(self) -> int:
        return int(self.selected.sum())

    @property
    def binding(self) -> tuple[str, ...]:
        """Names of the constraints that cost the objective something."""
        return tuple(result.constraint.name for result in self.achieved if result.binding)


def allocate(
    strata: Strata, size: int, constraints: Sequence[Constraint], solver: Solver | None = None
) -> Allocation:
    """Chooses how many rows of each stratum make the sample of exactly `size` rows.

    The answer depends on the strata as a set: they are solved in the order of their levels. Raises
    InfeasibleConstraints (with a `Diagnosis`) when floors, caps, supply and size cannot hold together.
    """
    if size < 1:
        raise SettingsError("the sample has no rows", setting="sampling.sample_size")
    order = np.lexsort([np.asarray(strata.levels[name], dtype=str) for name in sorted(strata.levels)])
    inverse = np.argsort(order)
    ordered = Strata(
        {name: column[order] for name, column in strata.levels.items()},
        strata.available[order],
        strata.quality[order],
    )
    every = expand(constraints, ordered.levels)
    problem = _Problem.of(ordered, size, tuple(constraints))
    solved = _solve(problem, solver or Solver())
    selected = solved.selected
    achieved = tuple(
        Achieved(
            item,
            want,
            int(ordered.available[mask].sum()),
            int(selected[mask].sum()),
            solved.price.get(item.name, 0.0) > _PRICE_FLOOR,
        )
        for item, want, mask in ((c, w, ordered.holds(c)) for c, w in zip(every, problem.wanted, strict=True))
    )
    return Allocation(
        selected=selected[inverse],
        achieved=achieved,
        distance=problem.distance(selected),
        quality=float(ordered.quality @ selected),
        optimality_gap=solved.gap,
        lp_gap=solved.lp_gap,
        bound=solved.bound,
        blocked_by=tuple(np.asarray(solved.blocked_by, dtype=object)[inverse]),
    )


_PRICE_FLOOR = 1e-9
_ROUND = 1e-6
# From here on the interior point, with crossover to a vertex, beats the simplex: 3.8 to 15 s of CPU at 94,000 strata.
_INTERIOR_POINT_STRATA = 20_000


@dataclass(frozen=True)
class _Problem:
    """Matrices of one solve over S strata, B bounds and T targets.

    lower <= bounds @ n <= upper; targets @ n aims at each of `aims` in turn: as asked, then as supply allows.
    """

    size: int
    available: Counts
    quality: Values
    wanted: tuple[int, ...]
    bound_names: tuple[str, ...]
    bounds: sparse.csr_array
    lower: Values
    upper: Values
    target_names: tuple[str, ...]
    targets: sparse.csr_array
    aims: tuple[Values, ...]
    weight: Values
    requested: tuple[Constraint, ...] = field(repr=False)
    strata: Strata = field(repr=False)

    @staticmethod
    def of(strata: Strata, size: int, requested: tuple[Constraint, ...]) -> _Problem:
        constraints = expand(requested, strata.levels)
        wanted = apportion(constraints, size)
        masks = [strata.holds(item) for item in constraints]
        hard = [index for index, item in enumerate(constraints) if item.kind != "target"]
        soft = [index for index, item in enumerate(constraints) if item.kind == "target"]
        floors = [constraints[index].kind == "floor" for index in hard]
        rows = [wanted[index] for index in hard]
        supply = [int(strata.available[mask].sum()) for mask in masks]
        reachable = spread(constraints, wanted, supply)
        aims = [np.array([want[index] for index in soft], dtype=float) for want in (wanted, reachable)]
        return _Problem(
            size=size,
            available=strata.available,
            quality=strata.quality,
            wanted=wanted,
            bound_names=tuple(constraints[index].name for index in hard),
            bounds=_matrix([masks[index] for index in hard], len(strata)),
            lower=np.array([w if f else 0 for w, f in zip(rows, floors, strict=True)], dtype=float),
            upper=np.array([np.inf if f else w for w, f in zip(rows, floors, strict=True)], dtype=float),
            target_names=tuple(constraints[index].name for index in soft),
            targets=_matrix([masks[index] for index in soft], len(strata)),
            aims=() if not soft else tuple(aims[:1] if np.array_equal(aims[0], aims[1]) else aims),
            weight=np.array([constraints[index].weight for index in soft], dtype=float),
            requested=requested,
            strata=strata,
        )

    @property
    def objectives(self) -> tuple[Values, ...]:
        """Costs of the columns (n, then over and under of each aim) to be minimised one after the other."""
        strata, soft, blocks = len(self.available), 2 * len(self.weight), len(self.aims)
        costs = []
        for block in range(blocks):
            cost = np.zeros(strata + soft * blocks)
            cost[strata + soft * block : strata + soft * (block + 1)] = np.tile(self.weight, 2)
            costs.append(cost)
        return (*costs, np.concatenate([-self.quality, np.zeros(soft * blocks)]))

    def aiming(self, pool: npt.NDArray[np.intp] | slice = slice(None)) -> sparse.csr_array:
        """Rows `targets @ n - over + under` of every aim, over the strata of the pool."""
        pool_targets = self.targets[:, pool]
        identity = sparse.identity(len(self.weight))
        deviations = sparse.block_diag([sparse.hstack([-identity, identity])] * len(self.aims))
        return sparse.csr_array(sparse.hstack([sparse.vstack([pool_targets] * len(self.aims)), deviations]))

    def distance(self, rows: npt.NDArray[Any], aim: int = 0) -> float:
        """Weighted L1 distance of (S,) rows to one of the aims, in rows; 0 without targets."""
        if not self.aims:
            return 0.0
        return float(self.weight @ np.abs(self.targets @ rows - self.aims[aim]))

    def values(self, rows: npt.NDArray[Any]) -> tuple[float, ...]:
        """The objectives at (S,) rows, in their order."""
        distances = (self.distance(rows, aim) for aim in range(len(self.aims)))
        return (*distances, -float(self.quality @ rows))

    def gap(self, rows: Counts, proven: _Proven) -> float:
        """Largest relative gap: distances by the rows aimed at, quality by its bound."""
        values = self.values(rows)
        bounds = proven.at(values)
        scale = max(float(self.weight @ self.aims[0]) if self.aims else 0.0, 1.0)
        *distances, quality = (max(0.0, have - bound) for have, bound in zip(values, bounds, strict=True))
        worst = max([distance / scale for distance in distances] + [quality / max(abs(bounds[-1]), 1e-12)])
        return 0.0 if worst < 1e-9 else worst

    def infeasible(self) -> ConflictingConstraints:
        return explain(self.strata, self.size, self.requested)


def _matrix(masks: list[npt.NDArray[np.bool_]], width: int) -> sparse.csr_array:
    if not masks:
        return sparse.csr_array((0, width))
    return sparse.csr_array(np.vstack(masks).astype(float))


@dataclass(frozen=True)
class _Proven:
    """What no whole sample can do better than, objective after objective.

    bounds: (J,) least value of each with the earlier ones at theirs; prices: (J, J) by how much the bound of an
    objective (row) may fall for each unit that an earlier one (column) is above its own. A sample that rounding
    holds off the best distance could have a better quality in exchange: by duality of the LP, so much at most.
    """

    bounds: tuple[float, ...]
    prices: Values

    def at(self, values: Sequence[float]) -> tuple[float, ...]:
        """Bounds of each objective for samples that do as well on the earlier ones as `values`."""
        above = np.maximum(0.0, np.array(values) - np.array(self.bounds))
        return tuple(float(bound) for bound in np.array(self.bounds) - self.prices @ above)


@dataclass(frozen=True)
class _Solved:
    selected: Counts
    gap: float
    lp_gap: float
    bound: Literal["lp", "branch_and_bound"]
    price: Mapping[str, float]
    blocked_by: tuple[str, ...]


@dataclass(frozen=True)
class _Relaxed:
    """Last LP of the sequence: rows (S,), bounds of the objectives, and what each row of constraints costs."""

    rows: Values
    proven: _Proven
    reduced_cost: Values
    bound_price: Values
    target_price: Values


def _solve(problem: _Problem, solver: Solver) -> _Solved:
    best = _relax(problem)
    whole, proven, bound = _whole(problem, solver, best)
    price, blocked_by = _prices(problem, best)
    return _Solved(
        selected=whole,
        gap=problem.gap(whole, proven),
        lp_gap=problem.gap(whole, best.proven),
        bound=bound,
        price=price,
        blocked_by=blocked_by,
    )


def _budget(value: float) -> float:
    return value + _ROUND + abs(value) * 1e-9


def _relax(problem: _Problem) -> _Relaxed:
    """LP over (n, over, under) for each objective in turn, the earlier ones held at their optimum."""
    strata, objectives = len(problem.available), problem.objectives
    extra = len(objectives[0]) - strata
    floors = ~np.isfinite(problem.upper)
    caps = ~floors
    blocks = sparse.vstack([-problem.bounds[floors], problem.bounds[caps]])
    inequalities = sparse.hstack([blocks, sparse.csr_array((len(floors), extra))])
    ceiling = np.concatenate([-problem.lower[floors], problem.upper[caps]])
    equalities = sparse.csr_array(np.concatenate([np.ones(strata), np.zeros(extra)])[None, :])
    if problem.aims:
        equalities = sparse.vstack([equalities, problem.aiming()])
    highest = np.concatenate([problem.available, np.full(extra, np.inf)])
    proven: list[float] = []
    prices = np.zeros((len(objectives), len(objectives)))
    for step, cost in enumerate(objectives):
        result = linprog(
            cost,
            A_ub=inequalities.tocsr(),
            b_ub=ceiling,
            A_eq=equalities.tocsr(),
            b_eq=np.concatenate([[problem.size], *problem.aims]),
            bounds=np.column_stack([np.zeros(strata + extra), highest]),
            method="highs-ipm" if strata >= _INTERIOR_POINT_STRATA else "highs-ds",
        )
        if result.status == 2:
            raise problem.infeasible()
        if result.status != 0:
            raise RuntimeError(f"HiGHS ended an LP of {strata} strata with status {result.status}")
        proven.append(float(result.fun))
        prices[step, :step] = -np.asarray(result.ineqlin.marginals, dtype=float)[len(floors) :]
        inequalities = sparse.vstack([inequalities, sparse.csr_array(cost[None, :])])
        ceiling = np.append(ceiling, _budget(float(result.fun)))
    inequality = np.asarray(result.ineqlin.marginals, dtype=float)
    bound_price = np.zeros(len(floors))
    bound_price[floors] = -inequality[: int(floors.sum())]
    bound_price[caps] = inequality[int(floors.sum()) : len(floors)]
    target_price = np.asarray(result.eqlin.marginals, dtype=float)[1:]
    return _Relaxed(
        rows=np.asarray(result.x[:strata], dtype=float),
        proven=_Proven(tuple(proven), prices),
        reduced_cost=np.asarray(result.lower.marginals + result.upper.marginals, dtype=float)[:strata],
        bound_price=bound_price,
        target_price=target_price.reshape(len(problem.aims), len(problem.weight)).sum(axis=0),
    )


def _whole(
    problem: _Problem, solver: Solver, best: _Relaxed
) -> tuple[Counts, _Proven, Literal["lp", "branch_and_bound"]]:
    """Whole rows with the bounds they are judged by: from a growing pool of strata, at last from all."""
    strata = len(problem.available)
    fractional = np.abs(best.rows - np.round(best.rows)) > _ROUND
    by_need = np.lexsort([np.arange(strata), np.abs(best.reduced_cost), ~fractional])
    width = max(solver.pool, int(fractional.sum()))
    incumbent: Counts | None = None
    while width < strata:
        incumbent = _branch(problem, solver, np.sort(by_need[:width]), best.rows)[0]
        if incumbent is not None and (
            problem.gap(incumbent, best.proven) <= solver.max_gap or width >= solver.widest_pool
        ):
            return incumbent, best.proven, "lp"
        width *= 8
    exact, proven = _branch(problem, solver, np.arange(strata), best.rows)
    if exact is None:
        if incumbent is None:
            raise problem.infeasible()
        return incumbent, best.proven, "lp"
    if problem.gap(exact, best.proven) <= solver.max_gap:
        return exact, best.proven, "lp"
    return exact, proven, "branch_and_bound"


def _branch(
    problem: _Problem, solver: Solver, pool: npt.NDArray[np.intp], rows: Values
) -> tuple[Counts | None, _Proven]:
    """Branch and bound over the pool's strata, the others as the LP has them, objective after objective.

    Returns rows or None, and the bound of each objective with the earlier ones at what was found.
    """
    base = np.round(rows).astype(np.int64)
    base[pool] = 0
    extra = len(problem.objectives[0]) - len(rows)
    sums = sparse.vstack([sparse.csr_array(np.ones((1, len(pool)))), problem.bounds[:, pool]])
    hard = sparse.hstack([sums, sparse.csr_array((sums.shape[0], extra))])
    used, rows_left = problem.bounds @ base, problem.size - int(base.sum())
    constraints = [
        LinearConstraint(
            hard.tocsc(),
            np.append([rows_left], problem.lower - used),
            np.append([rows_left], problem.upper - used),
        )
    ]
    if problem.aims:
        rest = np.concatenate([aim - problem.targets @ base for aim in problem.aims])
        constraints.append(LinearConstraint(problem.aiming(pool).tocsc(), rest, rest))
    columns = np.concatenate([pool, np.arange(len(rows), len(rows) + extra)])
    whole, proven = base.copy(), []
    is_solved = False
    for cost in problem.objectives:
        result = milp(
            cost[columns],
            constraints=constraints,
            bounds=Bounds(0, np.concatenate([problem.available[pool], np.full(extra, np.inf)])),
            integrality=np.concatenate([np.ones(len(pool)), np.zeros(extra)]),
            options={"mip_rel_gap": 1e-7, "node_limit": solver.max_nodes},
        )
        bound = -np.inf if result.mip_dual_bound is None else float(result.mip_dual_bound)
        proven.append(bound + float(cost[: len(rows)] @ base))
        if result.x is None:
            continue
        is_solved = True
        whole[pool] = np.round(result.x[: len(pool)]).astype(np.int64)
        ceiling = _budget(float(result.fun))
        constraints.append(LinearConstraint(sparse.csc_array(cost[columns][None, :]), -np.inf, ceiling))
    return (whole if is_solved else None), _Proven(tuple(proven), np.zeros((len(proven), len(proven))))


def _prices(problem: _Problem, best: _Relaxed) -> tuple[dict[str, float], tuple[str, ...]]:
    """Price of each constraint at the LP optimum, and the one that most raises each stratum's cost.

    A stratum's reduced cost is its own cost less its constraints' prices, so a constraint keeps rows out
    where its price is negative for the objective to be minimised (a cap met, a target met from above).
    """
    names = (SIZE, *problem.bound_names, *problem.target_names)
    signed = np.concatenate([[0.0], best.bound_price, best.target_price])
    price = {name: abs(float(value)) for name, value in zip(names, signed, strict=True)}
    worst = np.zeros(len(problem.available))
    blocker = np.zeros(len(problem.available), dtype=np.int64)
    members = sparse.csr_array(sparse.vstack([problem.bounds, problem.targets]))
    for row in range(members.shape[0]):
        cost = -float(signed[row + 1])
        if cost <= _PRICE_FLOOR:
            continue
        strata = members.indices[members.indptr[row] : members.indptr[row + 1]]
        dearer = strata[cost > worst[strata] + _PRICE_FLOOR]
        worst[dearer], blocker[dearer] = cost, row + 1
    return price, tuple(names[index] for index in blocker)
