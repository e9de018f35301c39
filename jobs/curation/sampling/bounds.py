"""Floors, caps and size in whole numbers: whether they can hold, and by how much one must give way if not.

Only the hard constraints matter here, so strata are merged by the set of constraints that hold them: what is left is
small enough to be solved many times.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from jobs.curation.sampling.constraints import Constraint, Counts, Strata, Values, spell_out

_MAX_STEPS = 2_000


@dataclass(frozen=True)
class Kinds:
    """Conversations by the set of groups that their candidates are in.

    able: (T, G) which groups a kind of conversation has; conversations: (T,) how many there are of it.
    """

    able: npt.NDArray[np.bool_]
    conversations: Counts


@dataclass(frozen=True)
class HardBounds:
    """The hard constraints over G groups of strata, or of strata of conversations alike.

    Attributes:
        constraints: a constraint on `ANY` counts, and gives way, as one.
        every: (R,) the same constraints, spelled out to one level each.
        owner: (R,) place in `constraints` of each row of `every`.
        membership: (R, G) 0/1: whether a group belongs to the level.
        available: (G,) rows of each group.
        shared: (T, G) 0/1: groups that draw on the same conversations.
        conversations: (T,) most rows that the groups of each row of `shared` can give together.
    """

    constraints: tuple[Constraint, ...]
    every: tuple[Constraint, ...]
    owner: tuple[int, ...]
    membership: sparse.csr_array
    available: Values
    shared: sparse.csr_array
    conversations: Values

    @staticmethod
    def of(strata: Strata, constraints: Sequence[Constraint]) -> HardBounds:
        """From constraints as asked; targets are left out."""
        return HardBounds.grouped(strata, constraints)[0]

    @staticmethod
    def grouped(strata: Strata, constraints: Sequence[Constraint]) -> tuple[HardBounds, Counts]:
        """As `of`, with the (S,) group of each stratum."""
        hard_constraints = tuple(item for item in constraints if item.kind != "target")
        spelled_out = [spell_out(item, hard_constraints, strata.levels) for item in hard_constraints]
        every = tuple(constraint for expanded in spelled_out for constraint in expanded)
        owner = tuple(index for index, expanded in enumerate(spelled_out) for _ in expanded)
        masks = np.array([strata.holds(item) for item in every], dtype=bool).reshape(len(every), len(strata))
        patterns, group = np.unique(masks, axis=1, return_inverse=True)
        available = np.bincount(group.ravel(), weights=strata.available, minlength=patterns.shape[1])
        membership = sparse.csr_array(patterns.astype(float))
        nothing = sparse.csr_array((0, patterns.shape[1]))
        bounds = HardBounds(
            hard_constraints,
            every,
            owner,
            membership,
            np.asarray(available, dtype=float),
            nothing,
            np.zeros(0),
        )
        return bounds, group.ravel().astype(np.int64)

    def one_per_conversation(self, kinds: Kinds) -> HardBounds:
        """The same constraints where each conversation gives one row at most, of whichever of its groups."""
        kind, group = np.nonzero(kinds.able)
        return replace(
            self,
            membership=sparse.csr_array(self.membership[:, group]),
            available=kinds.conversations[kind].astype(float),
            shared=sparse.csr_array((np.ones(len(kind)), (kind, np.arange(len(kind))))),
            conversations=kinds.conversations.astype(float),
        )

    @property
    def all(self) -> range:
        """Places of all constraints."""
        return range(len(self.constraints))

    @property
    def total(self) -> int:
        """Candidates in all; conversations, where each gives one."""
        return int((self.conversations if len(self.conversations) else self.available).sum())

    def supply(self, index: int) -> int:
        """Candidates, or conversations, in the levels of one constraint."""
        rows = np.flatnonzero(np.array(self.owner) == index)
        able = self.membership[rows].sum(axis=0) > 0
        if len(self.conversations):
            return int((self.shared @ able.astype(float) > 0) @ self.conversations)
        return int(able @ self.available)

    def hold(self, size: int, active: Collection[int], *, exact_size: bool = True) -> bool:
        """Whether whole rows exist under the active constraints: exactly `size` of them, or any number."""
        lower, upper = self.limits(size, active)
        if np.any(lower > upper) or np.any(lower > self.membership @ self.available):
            return False
        if exact_size and self.total < size:
            return False
        limits = (size, size) if exact_size else (0, np.inf)
        return self._solve(np.zeros(len(self.available)), lower, upper, limits) is not None

    def most(self, size: int, active: Collection[int], slacks: Mapping[int, int] | None = None) -> int | None:
        """Most rows, at most `size`, that the active constraints as asked at `size` allow, given their slacks."""
        lower, upper = self.limits(size, active, slacks or {})
        rows = self._solve(-np.ones(len(self.available)), lower, upper, (0, size))
        return None if rows is None else int(rows.sum())

    def least_slacks(
        self,
        size: int,
        fixed: Collection[int],
        giving: Sequence[int],
        *,
        exact_size: bool = True,
        in_order: bool = True,
    ) -> dict[int, int] | None:
        """Rows by which constraints must give way for those in `fixed`, as asked at `size`, to hold beside them.

        giving: constraints that may. With `in_order` an earlier one gives first: the last one's slack is made least,
        then that of the one before, and so on, which leaves one answer. Else their sum is made least.

        Returns:
            place -> slack of each that may, or None when even without them the others do not hold.
        """
        gives = np.zeros((len(self.every), len(giving)))
        for row, (owner, item) in enumerate(zip(self.owner, self.every, strict=True)):
            if owner in giving:
                gives[row, giving.index(owner)] = 1.0 if item.kind == "floor" else -1.0
        lower, upper = self.limits(size, [*fixed, *giving])
        limits = (size, size) if exact_size else (0, np.inf)
        ceiling = np.full(len(giving), np.inf)
        steps = np.eye(len(giving))[::-1] if in_order else np.ones((1, len(giving)))
        slacks = np.zeros(len(giving))
        for step in steps:
            objective = np.concatenate([np.zeros(len(self.available)), step])
            rows = self._solve(objective, lower, upper, limits, gives, ceiling)
            if rows is None:
                return None
            slacks = rows[len(self.available) :]
            ceiling[step > 0] = slacks[step > 0] if in_order else ceiling[step > 0]
        return {index: int(slack) for index, slack in zip(giving, slacks, strict=True)}

    def largest_size(self, size: int, active: Collection[int]) -> int | None:
        """Largest whole K <= `size` at which the active constraints hold, with shares taken of that K.

        The LP with K as a variable bounds it from above; rounding of floors and caps can only lower it.
        """
        rows = np.flatnonzero([owner in active for owner in self.owner])
        sign = np.array([-1.0 if self.every[row].kind == "floor" else 1.0 for row in rows])
        share = np.array([float(self.every[row].share or 0.0) for row in rows])
        count = np.array([float(self.every[row].count or 0) for row in rows])
        bounded = sparse.hstack([self.membership[rows], sparse.csr_array(-share[:, None])])
        sums = sparse.csr_array(np.append(np.ones(len(self.available)), -1.0)[None, :])
        together = sparse.hstack([self.shared, sparse.csr_array((len(self.conversations), 1))])
        result = linprog(
            np.append(np.zeros(len(self.available)), -1.0),
            A_ub=sparse.csr_array(sparse.vstack([sparse.diags_array(sign) @ bounded, together])),
            b_ub=np.concatenate([sign * count, self.conversations]),
            A_eq=sums,
            b_eq=[0.0],
            bounds=[*((0.0, supply) for supply in self.available), (1.0, float(size))],
            method="highs",
        )
        if result.status != 0:
            return None
        highest = min(size, int(np.floor(-result.fun + 1e-6)))
        for candidate in range(highest, max(0, highest - _MAX_STEPS), -1):
            if self.hold(candidate, active):
                return candidate
        return None

    def limits(
        self, size: int, active: Collection[int], slacks: Mapping[int, int] | None = None
    ) -> tuple[Values, Values]:
        """(R,) least and most rows of each row under the active constraints, given their slacks."""
        lower = np.full(len(self.every), -np.inf)
        upper = np.full(len(self.every), np.inf)
        for row, (owner, item) in enumerate(zip(self.owner, self.every, strict=True)):
            if owner in active:
                slack = (slacks or {}).get(owner, 0)
                if item.kind == "floor":
                    lower[row] = item.wanted(size) - slack
                else:
                    upper[row] = item.wanted(size) + slack
        return lower, upper

    def _solve(
        self,
        objective: Values,
        lower: Values,
        upper: Values,
        sizes: tuple[float, float],
        gives: Values | None = None,
        ceiling: Values | None = None,
    ) -> Values | None:
        """Whole (G,) rows, then slacks, of least cost within the limits, or None."""
        slacks = np.zeros((len(self.every), 0)) if gives is None else gives
        width = slacks.shape[1]
        sums = np.concatenate([np.ones(len(self.available)), np.zeros(width)])
        matrix = sparse.vstack(
            [
                sparse.hstack([self.membership, sparse.csr_array(slacks)]),
                sparse.csr_array(sums[None, :]),
                sparse.hstack([self.shared, sparse.csr_array((len(self.conversations), width))]),
            ]
        )
        lowest = np.concatenate([lower, [sizes[0]], np.full(len(self.conversations), -np.inf)])
        highest = np.concatenate([upper, [sizes[1]], self.conversations])
        result = milp(
            objective,
            constraints=LinearConstraint(matrix.tocsc(), lowest, highest),
            bounds=Bounds(0, np.concatenate([self.available, np.zeros(0) if ceiling is None else ceiling])),
            integrality=np.ones(len(objective)),
        )
        return None if result.x is None else np.round(np.asarray(result.x, dtype=float))


__all__ = ["HardBounds", "Kinds"]
