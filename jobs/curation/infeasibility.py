"""Why no sample satisfies floors, caps, supply and size together, and what would.

Only the hard constraints matter here, so strata are merged by the set of constraints that hold them: what is
left is small enough to be solved in whole numbers many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from infra.errors import InfeasibleConstraints
from jobs.curation.constraints import ANY, SIZE, Constraint, Strata, Values, expand


@dataclass(frozen=True)
class Member:
    """One constraint of a minimal conflict.

    wanted: rows it asks for (the size K for `size`; for a cap on every level, the cap of one level);
    available: rows of its level(s); slack: rows it would have to give way by, alone, for the rest to hold
    (None: no slack of this one alone is enough).
    """

    name: str
    wanted: int
    available: int
    slack: int | None


@dataclass(frozen=True)
class Diagnosis:
    """A minimal set of constraints that cannot hold together (without any one of them the others can),
    and the largest size not above the one asked for at which all constraints hold (None: no size does).
    """

    size: int
    conflict: tuple[Member, ...]
    largest_size: int | None


class ConflictingConstraints(InfeasibleConstraints):
    """`InfeasibleConstraints` with its `diagnosis`."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis
        parts = [_sentence(member) for member in diagnosis.conflict]
        size = (
            f"The largest size at which everything holds is {diagnosis.largest_size:,}."
            if diagnosis.largest_size is not None
            else "No smaller size would do."
        )
        super().__init__(
            f"no sample of {diagnosis.size:,} rows satisfies these together: {'; '.join(parts)}",
            setting="sampling.constraints",
            hint=f"Change one of them by its slack. {size}",
        )


def _sentence(member: Member) -> str:
    enough = "not enough alone" if member.slack is None else f"slack needed {member.slack:,}"
    return f"{member.name} ({member.wanted:,} of {member.available:,} available, {enough})"


def explain(strata: Strata, size: int, constraints: Sequence[Constraint]) -> ConflictingConstraints:
    """The error to raise for constraints, as asked, that are known to conflict at K = `size`."""
    return ConflictingConstraints(diagnose(strata, size, constraints))


def feasible(strata: Strata, size: int, constraints: Sequence[Constraint]) -> bool:
    """Whether some sample of exactly `size` rows satisfies every floor and cap."""
    hard = _Hard.of(strata, constraints)
    return hard.solvable(size, range(len(hard.asked)), exact_size=True)


def diagnose(strata: Strata, size: int, constraints: Sequence[Constraint]) -> Diagnosis:
    """Deletion filter over the size and the constraints as asked; a cap on every level counts as one.

    A constraint whose removal leaves the rest in conflict is dropped for good, so what remains is minimal.
    Raises ValueError when nothing conflicts.
    """
    hard = _Hard.of(strata, constraints)
    kept = list(range(len(hard.asked)))
    if hard.solvable(size, kept, exact_size=True):
        raise ValueError("the constraints do not conflict")
    with_size = hard.solvable(size, kept, exact_size=False)
    for index in list(kept):
        rest = [other for other in kept if other != index]
        if not hard.solvable(size, rest, exact_size=with_size):
            kept = rest
    members = [
        Member(
            hard.asked[index].name,
            hard.asked[index].wanted(size),
            hard.supply(index),
            hard.slack(size, kept, index, with_size),
        )
        for index in kept
    ]
    if with_size:
        most = hard.most(size, kept)
        short = None if most is None else size - most
        members.insert(0, Member(SIZE, size, int(strata.available.sum()), short))
    return Diagnosis(size, tuple(members), hard.largest_size(size))


_MAX_STEPS = 2_000


@dataclass(frozen=True)
class _Hard:
    """Strata merged by membership: `groups` (R, G) 0/1, `available` (G,), `owner` (R,) row -> asked index."""

    asked: tuple[Constraint, ...]
    every: tuple[Constraint, ...]
    owner: tuple[int, ...]
    groups: Values
    available: Values

    @staticmethod
    def of(strata: Strata, constraints: Sequence[Constraint]) -> _Hard:
        asked = tuple(item for item in constraints if item.kind != "target")
        every: list[Constraint] = []
        owner: list[int] = []
        levels = expand(asked, strata)
        for item in levels:
            index = next(
                i
                for i, ask in sorted(enumerate(asked), key=lambda pair: pair[1].level == ANY)
                if ask.dimension == item.dimension
                and ask.kind == item.kind
                and ask.level in (item.level, ANY)
            )
            every.append(item)
            owner.append(index)
        masks = np.array([strata.holds(item) for item in every], dtype=bool).reshape(len(every), len(strata))
        patterns, group = np.unique(masks, axis=1, return_inverse=True)
        available = np.zeros(patterns.shape[1])
        np.add.at(available, group.ravel(), strata.available)
        return _Hard(asked, tuple(every), tuple(owner), patterns.astype(float), available)

    def supply(self, index: int) -> int:
        """Candidates in the levels of one asked constraint."""
        rows = [row for row, owner in enumerate(self.owner) if owner == index]
        held = self.groups[rows].max(axis=0) if rows else np.zeros(len(self.available))
        return int(held @ self.available)

    def _bounds(self, size: int, active: Sequence[int]) -> tuple[Values, Values]:
        on = set(active)
        lower = np.full(len(self.every), -np.inf)
        upper = np.full(len(self.every), np.inf)
        for row, item in enumerate(self.every):
            if self.owner[row] in on:
                if item.kind == "floor":
                    lower[row] = item.wanted(size)
                else:
                    upper[row] = item.wanted(size)
        return lower, upper

    def _solve(
        self,
        objective: Values,
        matrix: Values,
        lower: Values,
        upper: Values,
        ceiling: Values,
    ) -> Values | None:
        result = milp(
            objective,
            constraints=LinearConstraint(matrix, lower, upper),
            bounds=Bounds(0, ceiling),
            integrality=np.ones(len(objective)),
        )
        return None if result.x is None else np.round(np.asarray(result.x, dtype=float))

    def solvable(self, size: int, active: Sequence[int] | range, *, exact_size: bool) -> bool:
        """Whether whole rows exist under the active constraints: exactly `size` of them, or any number."""
        lower, upper = self._bounds(size, list(active))
        if np.any(lower > upper) or np.any(lower > self.groups @ self.available):
            return False
        if exact_size:
            if self.available.sum() < size:
                return False
            lower, upper = np.append(lower, size), np.append(upper, size)
            matrix = np.vstack([self.groups, np.ones(len(self.available))])
        else:
            matrix = self.groups
        if not len(matrix):
            return True
        zero = np.zeros(len(self.available))
        return self._solve(zero, matrix, lower, upper, self.available) is not None

    def most(self, size: int, active: Sequence[int]) -> int | None:
        """Most rows that the active constraints, as asked at `size`, allow: at most `size`."""
        lower, upper = self._bounds(size, active)
        matrix = np.vstack([self.groups, np.ones(len(self.available))])
        rows = self._solve(
            -np.ones(len(self.available)),
            matrix,
            np.append(lower, 0),
            np.append(upper, size),
            self.available,
        )
        return None if rows is None else int(rows.sum())

    def slack(self, size: int, active: Sequence[int], index: int, exact_size: bool) -> int | None:
        """Rows that one asked constraint must give way by, alone, for the other active ones to hold."""
        lower, upper = self._bounds(size, active)
        give = np.array(
            [
                0.0 if owner != index else (1.0 if item.kind == "floor" else -1.0)
                for owner, item in zip(self.owner, self.every, strict=True)
            ]
        )
        matrix = np.column_stack([self.groups, give])
        if exact_size:
            matrix = np.vstack([matrix, np.append(np.ones(len(self.available)), 0.0)])
            lower, upper = np.append(lower, size), np.append(upper, size)
        objective = np.append(np.zeros(len(self.available)), 1.0)
        rows = self._solve(objective, matrix, lower, upper, np.append(self.available, np.inf))
        return None if rows is None else int(rows[-1])

    def largest_size(self, size: int) -> int | None:
        """Largest whole K <= `size` at which everything asked for holds, with shares taken of that K.

        The LP with K as a variable bounds it from above; rounding of floors and caps can only lower it.
        """
        groups = len(self.available)
        rows: list[npt.NDArray[np.float64]] = [
            np.append(np.ones(groups), -1.0),
            -np.append(np.ones(groups), -1.0),
        ]
        ceiling = [0.0, 0.0]
        for held, item in zip(self.groups, self.every, strict=True):
            sign = -1.0 if item.kind == "floor" else 1.0
            share = 0.0 if item.share is None else float(item.share)
            rows.append(sign * np.append(held, -share))
            ceiling.append(0.0 if item.count is None else sign * item.count)
        result = linprog(
            np.append(np.zeros(groups), -1.0),
            A_ub=np.vstack(rows),
            b_ub=np.array(ceiling),
            bounds=[*((0.0, float(supply)) for supply in self.available), (1.0, float(size))],
            method="highs",
        )
        if result.status != 0:
            return None
        highest = min(size, int(np.floor(-result.fun + 1e-6)))
        for candidate in range(highest, max(0, highest - _MAX_STEPS), -1):
            if self.solvable(candidate, range(len(self.asked)), exact_size=True):
                return candidate
        return None


__all__ = ["ConflictingConstraints", "Diagnosis", "Member", "diagnose", "explain", "feasible"]
