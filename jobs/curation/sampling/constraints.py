"""Constraints of a sample: floors, caps and targets on levels of its dimensions (section 2.2.1, Table 1)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from infra.errors import SettingsError
from infra.settings import SamplingSettings

Kind = Literal["floor", "cap", "target"]
Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

ANY = "*"
"""As `Constraint.level`: every level of the dimension that the strata name, each on its own."""
OTHER = "(other)"
"""Level of the rows whose own level no constraint can bind."""
NONE = "(none)"
"""Level of rows that have no value, e.g. turns without a character: `ANY` does not touch it."""
SIZE = "size"
"""Name under which the sample's size stands beside the constraints."""


@dataclass(frozen=True)
class Constraint:
    """One bound or aim on the rows of one level of one dimension.

    Exactly one of `share` (of K, in [0, 1]) and `count` (rows) is given. `weight` prices one row of
    distance to a target; floors and caps have none.
    """

    dimension: str
    level: str
    kind: Kind
    share: float | None = None
    count: int | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if (self.share is None) == (self.count is None):
            raise SettingsError(
                f"the {self.name} needs either a share or a count", setting="sampling.constraints"
            )
        if self.share is not None and not 0 <= self.share <= 1:
            raise SettingsError(
                f"the share of the {self.name} is outside [0, 1]", setting="sampling.constraints"
            )
        if self.count is not None and self.count < 0:
            raise SettingsError(f"the count of the {self.name} is negative", setting="sampling.constraints")
        if not (self.weight > 0 and math.isfinite(self.weight)):
            raise SettingsError(
                f"the weight of the {self.name} must be positive", setting="sampling.constraints"
            )

    @property
    def name(self) -> str:
        """`<kind> <dimension>=<level>`: how messages and tables call the constraint."""
        return f"{self.kind} {self.dimension}={self.level}"

    def wanted(self, size: int) -> int:
        """Rows asked for at K = `size`: floors round up, caps down, targets to the nearest (half up)."""
        if self.share is None:
            return cast(int, self.count)
        exact = Fraction(str(self.share)) * size
        if self.kind == "floor":
            return math.ceil(exact)
        return math.floor(exact) if self.kind == "cap" else math.floor(exact + Fraction(1, 2))

    def giving_way(self, size: int, slack: int) -> Constraint:
        """The floor lower, or the cap higher, by `slack` rows than it is at K = `size`."""
        rows = self.wanted(size) + (slack if self.kind == "cap" else -slack)
        return replace(self, share=None, count=rows)


def stated(rules: SamplingSettings, targets: Sequence[Constraint] = ()) -> tuple[Constraint, ...]:
    """Table 1's floor and cap, the targets, and what settings add.

    A constraint in the settings replaces the default for the same level.
    """
    every = [Constraint("first_turn", "first", "floor", share=rules.first_turn_floor)]
    if rules.character_cap < 1:
        every.append(Constraint("character", ANY, "cap", share=rules.character_cap))
    every += targets
    every += [
        Constraint(more.dimension, more.level, more.kind, more.share, more.count, more.weight)
        for more in rules.constraints
    ]
    return tuple({(item.dimension, item.level, item.kind): item for item in every}.values())


@dataclass(frozen=True)
class Strata:
    """Candidates by stratum, one entry a stratum in every array.

    levels: dimension -> (S,) level names; available: (S,) rows to draw from; quality: (S,) mean quality of
    one row, in [0, 1].
    """

    levels: Mapping[str, npt.NDArray[Any]]
    available: Counts
    quality: Values

    def __post_init__(self) -> None:
        lengths = {len(self.available), len(self.quality), *(len(column) for column in self.levels.values())}
        if len(lengths) != 1:
            raise ValueError("levels, available and quality differ in length")
        if np.any(self.available < 0) or not np.all(np.isfinite(self.quality)):
            raise ValueError("available must not be negative and quality must be finite")

    def __len__(self) -> int:
        return len(self.available)

    def holds(self, constraint: Constraint) -> npt.NDArray[np.bool_]:
        """(S,) whether each stratum belongs to the constraint's level. Unknown dimensions are an error."""
        return cast("npt.NDArray[np.bool_]", _of_dimension(constraint, self.levels) == constraint.level)


_Column = TypeVar("_Column")


def _of_dimension(constraint: Constraint, levels: Mapping[str, _Column]) -> _Column:
    if constraint.dimension not in levels:
        raise SettingsError(
            f"the {constraint.name} uses a dimension that the sample does not have",
            setting="sampling.constraints",
            hint=f"Available: {', '.join(sorted(levels))}.",
        )
    return levels[constraint.dimension]


Levels = Mapping[str, Collection[str] | npt.NDArray[Any]]
"""dimension -> names of its levels, repeated or not."""


def expand(
    constraints: Sequence[Constraint], levels: Levels, kinds: Collection[Kind] = ("floor", "cap", "target")
) -> tuple[Constraint, ...]:
    """Replaces `ANY`, of those kinds, by the levels that there are, without `NONE` and `OTHER`, in their order.

    A level that has a constraint of that kind of its own keeps it. Two for one level are an error.
    """
    own = [(item.dimension, item.level, item.kind) for item in constraints]
    if len(set(own)) != len(own):
        twice = next(key for key in own if own.count(key) > 1)
        raise SettingsError(
            f"two constraints for {twice[2]} {twice[0]}={twice[1]}", setting="sampling.constraints"
        )
    return tuple(
        expanded
        for item in constraints
        for expanded in (spell_out(item, constraints, levels) if item.kind in kinds else (item,))
    )


def spell_out(item: Constraint, constraints: Sequence[Constraint], levels: Levels) -> tuple[Constraint, ...]:
    """A constraint on `ANY` as one on each level that has none of its kind of its own; any other as it is."""
    if item.level != ANY:
        return (item,)
    names = {str(level) for level in _of_dimension(item, levels)} - {NONE, OTHER}
    taken = {
        other.level for other in constraints if (other.dimension, other.kind) == (item.dimension, item.kind)
    }
    return tuple(replace(item, level=level) for level in sorted(names - taken))


def apportion(constraints: Sequence[Constraint], size: int) -> tuple[int, ...]:
    """Rows wanted by each constraint at K = `size`.

    The targets of a dimension whose shares add up to 1 are rounded by largest remainder (ties by level), so
    that they add up to K and a distance of 0 is not ruled out by rounding alone.
    """
    wanted = [item.wanted(size) for item in constraints]
    for rows in _whole_dimensions(constraints):
        shares = [Fraction(str(constraints[index].share)) for index in rows]
        names = [constraints[index].level for index in rows]
        for index, part in zip(rows, _largest_remainder(shares, names, size), strict=True):
            wanted[index] = part
    return tuple(wanted)


def spread(
    constraints: Sequence[Constraint], wanted: Sequence[int], supply: Sequence[int]
) -> tuple[int, ...]:
    """`wanted` with what a level cannot supply shared among its dimension's other levels by their targets.

    Without it, rows that one level is short of could go to any other level at the same distance.
    """
    result = list(wanted)
    for rows in _whole_dimensions(constraints):
        total = sum(wanted[index] for index in rows)
        full: set[int] = set()
        while True:
            free = [index for index in rows if index not in full and wanted[index] > 0]
            rows_left = total - sum(supply[index] for index in full)
            if not free:
                break
            shares = [Fraction(wanted[index]) for index in free]
            parts = _largest_remainder(shares, [constraints[index].level for index in free], rows_left)
            over = {index for index, part in zip(free, parts, strict=True) if part > supply[index]}
            if not over:
                for index, part in zip(free, parts, strict=True):
                    result[index] = part
                break
            full |= over
        for index in full:
            result[index] = supply[index]
    return tuple(result)


def _whole_dimensions(constraints: Sequence[Constraint]) -> list[list[int]]:
    """Positions of the targets of each dimension whose shares add up to 1."""
    groups: list[list[int]] = []
    for dimension in sorted({item.dimension for item in constraints if item.kind == "target"}):
        rows = [
            index
            for index, item in enumerate(constraints)
            if item.kind == "target" and item.dimension == dimension
        ]
        shares = [constraints[index].share for index in rows]
        if None not in shares and abs(sum(share or 0.0 for share in shares) - 1) <= 1e-6:
            groups.append(rows)
    return groups


def _largest_remainder(shares: Sequence[Fraction], names: Sequence[str], total: int) -> list[int]:
    """Whole parts of `total` in proportion to the shares; ties go to the name that sorts first."""
    sum_of_shares = sum(shares)
    exact = [share * total / sum_of_shares for share in shares]
    parts = [math.floor(part) for part in exact]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], names[index]))
    for index in order[: total - sum(parts)]:
        parts[index] += 1
    return parts
