"""Builds the request for a split, its size and constraints, from settings and traffic."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from infra.errors import SettingsError
from infra.settings import SamplingSettings
from jobs.curation.sampling.attributes import UNJUDGED
from jobs.curation.sampling.constraints import Constraint, stated
from jobs.curation.sampling.draw import Request
from jobs.curation.sampling.quotas import Solver
from jobs.curation.sampling.relaxation import Pattern
from jobs.curation.sampling.supply import Supplies


def request(split: str, eligible: int, supply_by_level: Supplies, rules: SamplingSettings) -> Request:
    """The request of a split with so many eligible turns, which a share is taken of."""
    constraints = constraints_of(split, supply_by_level, rules)
    for text in rules.relax:
        if not any(Pattern.of(text).names(item) for item in constraints):
            raise SettingsError(
                f"{text} is not a floor or cap of this sample",
                setting="sampling.relax",
                hint=f"Available: {', '.join(item.name for item in constraints if item.kind != 'target')}.",
            )
    return Request(
        size=_size(split, eligible, rules),
        constraints=constraints,
        seed=rules.seed,
        one_per_conversation=rules.one_per_conversation,
        relax=rules.relax,
        allow_smaller=rules.allow_smaller,
        solver=Solver(max_gap=rules.max_gap),
    )


def _size(split: str, eligible: int, rules: SamplingSettings) -> int:
    sizes: Mapping[str, int] = {str(name): size for name, size in rules.sample_size.items()}
    shares: Mapping[str, float] = {str(name): share for name, share in rules.sample_share.items()}
    if split in sizes:
        return sizes[split]
    return int(Fraction(str(shares.get(split, 0.0))) * eligible)


def constraints_of(split: str, supply_by_level: Supplies, rules: SamplingSettings) -> tuple[Constraint, ...]:
    """The constraints of a split: Table 1's floor and cap, the targets, and what settings add.

    A target of `traffic` is the distribution over the split's turns before Phase I; of dimensions that only text
    tells, over those whose text passed.
    """
    targets = []
    for dimension, target in sorted(rules.targets.items()):
        shares: Mapping[str, float] = (
            target if isinstance(target, dict) else _traffic(split, dimension, supply_by_level)
        )
        weight = rules.target_weights.get(dimension, 1.0)
        targets += [
            Constraint(dimension, level, "target", share=share, weight=weight)
            for level, share in sorted(shares.items())
        ]
    return stated(rules, targets)


def _traffic(split: str, dimension: str, supply_by_level: Supplies) -> dict[str, float]:
    rows = {
        level: supply.traffic
        for (where, name, level), supply in supply_by_level.items()
        if where == split and name == dimension and level != UNJUDGED
    }
    total = sum(rows.values())
    return {level: count / total for level, count in rows.items()} if total else {}


__all__ = ["constraints_of", "request"]
