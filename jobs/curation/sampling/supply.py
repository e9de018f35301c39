"""Counts the turns of each level after each phase, and finds the phase that leaves too few for a floor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.curation.sampling.attributes import DIMENSIONS, each_dimension
from jobs.curation.sampling.constraints import SIZE
from jobs.curation.sampling.infeasibility import Diagnosis, Member
from jobs.curation.sampling.strata import Candidates

_TOLD_BY_TEXT = ("jtbd", "quality_band", "difficulty_band")


@dataclass(frozen=True)
class Supply:
    """Usable turns of one level of one split: all of them, those that passed Phase I, those that Phase II kept."""

    traffic: int
    screened: int
    kept: int


Supplies = Mapping[tuple[str, str, str], Supply]
"""(split, dimension, level) -> turns."""


def supplies(attributes: DataFrame) -> Supplies:
    """Count usable turns (`split`, daily `outcome` and the dimensions) by level of each dimension."""
    counted = (
        attributes.select("split", "outcome", each_dimension().alias("pair"))
        .groupBy("split", "pair")
        .agg(
            F.count("*").alias("traffic"),
            F.count_if(~F.col("outcome").isin("rejected", "in_review")).alias("screened"),
            F.count_if(F.col("outcome") == "eligible").alias("kept"),
        )
    )
    return {
        (row["split"], row["pair"]["dimension"], row["pair"]["level"]): Supply(
            row["traffic"], row["screened"], row["kept"]
        )
        for row in counted.collect()
    }


def total(supply_by_level: Supplies, split: str) -> Supply:
    """All usable turns of a split."""
    rows = [
        supply
        for (name, dimension, _), supply in supply_by_level.items()
        if (name, dimension) == (split, DIMENSIONS[0])
    ]
    return Supply(
        sum(supply.traffic for supply in rows),
        sum(supply.screened for supply in rows),
        sum(supply.kept for supply in rows),
    )


def shortages(diagnosis: Diagnosis, split: str, candidates: Candidates, supply_by_level: Supplies) -> str:
    """What each phase left of the levels that a floor, or the size, wants more of than there is; empty if none."""
    members = {member.name: member for member in (*diagnosis.conflict, *diagnosis.correction)}
    return " ".join(
        sentence
        for member in members.values()
        if member.available < member.wanted
        for sentence in _shortage(member, split, candidates, supply_by_level)
    )


def _shortage(member: Member, split: str, candidates: Candidates, supply_by_level: Supplies) -> Iterator[str]:
    constraint = member.constraint
    if member.name == SIZE:
        level, here, able, by_text = "all levels", total(supply_by_level, split), len(candidates), False
    elif constraint is not None and constraint.kind == "floor":
        level = f"{constraint.dimension}={constraint.level}"
        here = supply_by_level.get((split, constraint.dimension, constraint.level), Supply(0, 0, 0))
        able = candidates.levels[constraint.dimension].counts().get(constraint.level, 0)
        by_text = constraint.dimension in _TOLD_BY_TEXT
    else:
        return
    traffic = "an unknown number in traffic" if by_text else f"{here.traffic:,} in traffic"
    yield (
        f"Supply of {level}: {traffic}, {here.screened:,} after Phase I, {here.kept:,} after Phase II, "
        f"{able:,} candidates, {member.available:,} that may be drawn together: "
        f"{_starved_by(member.wanted, here, able, by_text)}."
    )


def _starved_by(wanted: int, here: Supply, able: int, by_text: bool) -> str:
    if here.traffic < wanted and not by_text:
        return "traffic has too few"
    if here.screened < wanted:
        return "too few passed Phase I"
    if here.kept < wanted:
        return "Phase II leaves too few (diversity.keep_proportion)"
    if able < wanted:
        return "split leaks and unsafe contexts leave too few (sampling.leak_similarity)"
    return "too few conversations have one (sampling.one_per_conversation)"


__all__ = ["Supplies", "Supply", "shortages", "supplies", "total"]
