"""Counts of assigned, exposed and excluded users by arm, and the sample-ratio tests of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobs.experiments.cells import levels
from jobs.experiments.definition import Definition
from jobs.experiments.statistics import holm, sample_ratio_p_value

EXCLUSIONS = ("internal", "ineligible", "bot", "in_several_arms")
BY_DAY = "first_exposure_ds"
WHOM: Mapping[str, Mapping[str, str]] = {
    "assigned": dict.fromkeys(("drop", "first_arm"), "everybody logged, in the first arm seen"),
    "exposed": {
        "drop": "without users of several arms",
        "first_arm": "users of several arms in the first one seen",
    },
}
"""Whom each population that is tested holds, by what becomes of users of several arms."""
_LEAST_EXPECTED = 5
"""Fewest users expected in an arm for which the chi-squared distribution is a fair approximation."""


@dataclass(frozen=True)
class Population:
    """Users of one segment and basis, by arm, and the sample-ratio test of them.

    The test stands on the users of arms with a declared share. Users in any other arm are an alarm by themselves.
    """

    segment: str
    basis: str
    users: Mapping[str, int]
    sample_ratio_p: float | None = None
    sample_ratio_p_adjusted: float | None = None
    sample_ratio_alarm: bool = False


def populations(cells: Iterable[Mapping[str, Any]], definition: Definition, alpha: float) -> list[Population]:
    """All populations of one experiment and day; exclusions are counted over all segments only.

    Args:
        cells: rows of `cells` of one experiment and day.
        alpha: the adjusted p of a sample-ratio test below which the arms are not comparable.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for basis in ("assigned", "exposed", *EXCLUSIONS):
        counts["all", basis] = Counter()
    for cell in cells:
        reason, users = cell["excluded"], cell["users"]
        bases = ["assigned", reason or "exposed"]
        for basis in bases:
            is_tested = basis in ("assigned", "exposed")
            places = [*levels(cell), f"{BY_DAY}={cell[BY_DAY]}"] if is_tested else ["all"]
            for place in places:
                counts[place, basis][cell["arm"]] += users
    arms = dict.fromkeys([*definition.arms, *sorted({arm for c in counts.values() for arm in c})], 0)
    counted = [Population(*place, arms | dict(users)) for place, users in sorted(counts.items())]
    tested = [population for population in counted if population.basis not in EXCLUSIONS]
    families: dict[tuple[str, str], list[Population]] = defaultdict(list)
    for population in tested:
        families[population.basis, _family(population.segment)].append(population)
    return [
        *(population for population in counted if population.basis in EXCLUSIONS),
        *(judged for family in families.values() for judged in _tested(family, definition, alpha)),
    ]


def _family(segment: str) -> str:
    """Which p values Holm corrects together: those of all days, those of all levels of segments."""
    return "all" if segment == "all" else "days" if segment.startswith(f"{BY_DAY}=") else "levels"


def _tested(family: list[Population], definition: Definition, alpha: float) -> list[Population]:
    p_values = [_p_value(population, definition) for population in family]
    known = [p for p in p_values if p is not None]
    adjusted = iter(holm(known))
    tested = []
    for population, p in zip(family, p_values, strict=True):
        corrected = None if p is None else next(adjusted)
        alarm = corrected is not None and corrected < alpha
        alarm |= population.segment == "all" and bool(without_share(population.users, definition.shares))
        tested.append(
            replace(population, sample_ratio_p=p, sample_ratio_p_adjusted=corrected, sample_ratio_alarm=alarm)
        )
    return tested


def without_share(users: Mapping[str, int], shares: Iterable[str]) -> dict[str, int]:
    """Users in arms that have no declared share, by arm: a second definition, or a spelling, is at work."""
    declared = set(shares)
    return {arm: n for arm, n in sorted(users.items()) if n and arm not in declared}


def _p_value(population: Population, definition: Definition) -> float | None:
    shares = [definition.shares.get(arm, 0.0) for arm in population.users]
    users = [n for n, share in zip(population.users.values(), shares, strict=True) if share]
    if sum(users) * min(definition.shares.values()) / sum(shares) < _LEAST_EXPECTED:
        return None
    return sample_ratio_p_value(list(population.users.values()), shares)
