"""Relaxes constraints, only those that settings name and only in that order.

Of those named, the first gives first: the slack of the last is made least, then that of the one before it, and so on.
Nothing gives by more rows than the others need, and a constraint that is not named does not give at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.curation.sampling.bounds import HardBounds
from jobs.curation.sampling.constraints import Constraint


@dataclass(frozen=True)
class Pattern:
    """`<kind> <dimension>` names every floor or cap of a dimension, `<kind> <dimension>=<level>` one of them."""

    kind: str
    dimension: str
    level: str | None

    @staticmethod
    def of(text: str) -> Pattern:
        """From an entry of `sampling.relax`, whose form settings have checked."""
        kind, rest = text.split(" ", 1)
        dimension, _, level = rest.partition("=")
        return Pattern(kind, dimension, level or None)

    def names(self, constraint: Constraint) -> bool:
        """Whether it names the constraint."""
        return (self.kind, self.dimension) == (constraint.kind, constraint.dimension) and (
            self.level is None or self.level == constraint.level
        )


@dataclass(frozen=True)
class Relaxed:
    """A constraint that gave way by `slack` rows. `order`: place in `sampling.relax`, from 1."""

    constraint: Constraint
    order: int
    slack: int


def relaxable(bounds: HardBounds, patterns: Sequence[str]) -> dict[int, int]:
    """Constraints that may give way, the first to give first: place in `bounds.constraints` -> order of its pattern.

    Those of one pattern follow each other by name; one that several patterns name belongs to the first.
    """
    orders: dict[int, int] = {}
    for order, text in enumerate(patterns, 1):
        pattern = Pattern.of(text)
        named = [index for index in bounds.all if pattern.names(bounds.constraints[index])]
        for index in sorted(named, key=lambda index: bounds.constraints[index].name):
            orders.setdefault(index, order)
    return orders


def relax(bounds: HardBounds, size: int, patterns: Sequence[str]) -> tuple[Relaxed, ...] | None:
    """What gives way for everything else to hold at K = `size`; None when what may give way is not enough."""
    orders = relaxable(bounds, patterns)
    if not orders:
        return None
    fixed = [index for index in bounds.all if index not in orders]
    slacks = bounds.least_slacks(size, fixed, list(orders))
    if slacks is None:
        return None
    return tuple(
        Relaxed(bounds.constraints[index], orders[index], slack) for index, slack in slacks.items() if slack
    )


def relaxed_constraints(
    constraints: Sequence[Constraint], gave_way: Sequence[Relaxed], size: int
) -> tuple[Constraint, ...]:
    """The constraints to solve for."""
    slacks = {relaxation.constraint.name: relaxation.slack for relaxation in gave_way}
    return tuple(
        item.giving_way(size, slacks[item.name]) if item.name in slacks else item for item in constraints
    )


__all__ = ["Pattern", "Relaxed", "relax", "relaxable", "relaxed_constraints"]
