"""Explains why no sample satisfies floors, caps, supply and size together, and the least change that would."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from infra.errors import InfeasibleConstraints
from jobs.curation.sampling.bounds import HardBounds
from jobs.curation.sampling.constraints import SIZE, Constraint, Strata


@dataclass(frozen=True)
class Member:
    """One constraint of a minimal conflict, or of a minimal correction.

    wanted: rows it asks for (the size K for `size`; for a cap on every level, the cap of one level);
    available: rows of its level(s); slack: rows it would have to give way by for the rest to hold: alone in a
    conflict, together with the other members in a correction (None: no slack of this one is enough).
    constraint: None for the size.
    """

    name: str
    wanted: int
    available: int
    slack: int | None
    constraint: Constraint | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Why a request cannot be met.

    conflict: a minimal set of constraints that cannot hold together: without any one of them the others can.
    correction: a minimal set that must give way for all the others to hold: with any one of them as asked, they
    cannot. Where several conflicts meet in one request it covers them all. The size is in it only when there are
    fewer candidates than K.
    largest_size: the largest size up to the requested one at which everything holds. None if there is none.
    """

    size: int
    conflict: tuple[Member, ...]
    correction: tuple[Member, ...]
    largest_size: int | None


class ConflictingConstraints(InfeasibleConstraints):
    """`InfeasibleConstraints` with its `diagnosis`."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis
        parts = [_sentence(member) for member in diagnosis.conflict]
        least = " and ".join(f"{member.name} by {member.slack or 0:,}" for member in diagnosis.correction)
        size = (
            f"The largest feasible size is {diagnosis.largest_size:,}."
            if diagnosis.largest_size is not None
            else "No smaller size is feasible either."
        )
        super().__init__(
            f"no sample of {diagnosis.size:,} rows satisfies these together: {'; '.join(parts)}",
            setting="sampling.constraints",
            hint=f"It is enough to relax these: {least}. {size}",
        )


def binding(diagnosis: Diagnosis) -> str:
    """The constraints that bind, by their names; the size alone where there are fewer candidates than K."""
    names = [member.name for member in diagnosis.conflict if member.constraint is not None]
    return " and ".join(names) or SIZE


def shortfall(diagnosis: Diagnosis, got: int) -> str:
    """For people: how many rows less there are than asked for, what bound, and what would give all of them."""
    least = " and ".join(f"{member.name} by {member.slack or 0:,} rows" for member in diagnosis.correction)
    share = 100 * got / diagnosis.size
    return (
        f"{got:,} rows instead of the {diagnosis.size:,} asked for ({share:.0f} %). Bound by "
        f"{'; '.join(_sentence(member) for member in diagnosis.conflict)}. All rows need {least} more room"
    )


def _sentence(member: Member) -> str:
    enough = "not enough alone" if member.slack is None else f"slack needed {member.slack:,}"
    return f"{member.name} ({member.wanted:,} of {member.available:,} available, {enough})"


def explain(strata: Strata, size: int, constraints: Sequence[Constraint]) -> ConflictingConstraints:
    """The error to raise for constraints, as asked, that are known to conflict at K = `size`."""
    return ConflictingConstraints(diagnose(HardBounds.of(strata, constraints), size))


def diagnose(bounds: HardBounds, size: int, relaxable: Collection[int] = ()) -> Diagnosis:
    """What is wrong at K = `size` with the constraints that are not in `relaxable`.

    Raises ValueError when nothing is.
    """
    indices = [index for index in bounds.all if index not in relaxable]
    if bounds.hold(size, indices):
        raise ValueError("the constraints do not conflict")
    return Diagnosis(
        size,
        _conflict(bounds, size, indices),
        _correction(bounds, size, indices),
        bounds.largest_size(size, indices),
    )


def _conflict(bounds: HardBounds, size: int, indices: Sequence[int]) -> tuple[Member, ...]:
    """Deletion filter over the size and the constraints (Chinneck and Dravnieks 1991).

    A constraint whose removal leaves the rest in conflict is dropped for good, so what remains is minimal.
    """
    with_size = bounds.hold(size, indices, exact_size=False)
    remaining = list(indices)
    for index in indices:
        rest = [other for other in remaining if other != index]
        if not bounds.hold(size, rest, exact_size=with_size):
            remaining = rest
    members = []
    for index in remaining:
        rest = [other for other in remaining if other != index]
        slacks = bounds.least_slacks(size, rest, [index], exact_size=with_size)
        members.append(_member(bounds, size, index, None if slacks is None else slacks[index]))
    if with_size:
        most = bounds.most(size, remaining)
        members.insert(0, Member(SIZE, size, bounds.total, None if most is None else size - most))
    return tuple(members)


def _correction(bounds: HardBounds, size: int, indices: Sequence[int]) -> tuple[Member, ...]:
    """The complement of a maximal set that can hold, grown from what the least sum of slacks leaves untouched."""
    exact = bounds.total >= size
    elastic = bounds.least_slacks(size, (), indices, exact_size=exact, in_order=False) or {}
    satisfied = [index for index in indices if not elastic[index]]
    for index in sorted(
        (index for index in indices if elastic[index]), key=lambda index: (elastic[index], index)
    ):
        if bounds.hold(size, [*satisfied, index], exact_size=exact):
            satisfied.append(index)
    giving = [index for index in indices if index not in satisfied]
    slacks = bounds.least_slacks(size, satisfied, giving, exact_size=exact, in_order=False) or {}
    members = [_member(bounds, size, index, slacks[index]) for index in giving]
    if not exact:
        most = bounds.most(size, indices, slacks)
        members.insert(0, Member(SIZE, size, bounds.total, None if most is None else size - most))
    return tuple(members)


def _member(bounds: HardBounds, size: int, index: int, slack: int | None) -> Member:
    constraint = bounds.constraints[index]
    return Member(constraint.name, constraint.wanted(size), bounds.supply(index), slack, constraint)


__all__ = ["ConflictingConstraints", "Diagnosis", "Member", "binding", "diagnose", "explain", "shortfall"]
