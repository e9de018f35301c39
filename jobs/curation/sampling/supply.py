"""How many turns of each level each phase leaves, and which phase starves a floor."""

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


def total(found: Supplies, split: str) -> Supply:
    """All usable turns of a split."""
    rows = [one for (name, dimension, _), one in found.items() if (name, dimension) == (split, DIMENSIONS[0])]
    return Supply(
        sum(one.traffic for one in rows), sum(one.screened for one in rows), sum(one.kept for one in rows)
    )


def shortages(diagnosis: Diagnosis, split: str, candidates: Candidates, found: Supplies) -> str:
    """What each phase left of the levels that a floor, or the size, wants more of than there is; empty if none."""
    members = {member.name: member for member in (*diagnosis.conflict, *diagnosis.correction)}
    return " ".join(
        sentence
        for member in members.values()
        if member.available < member.wanted
        for sentence in _shortage(member, split, candidates, found)
    )


def _shortage(member: Member, split: str, candidates: Candidates, found: Supplies) -> Iterator[str]:
    asked = member.constraint
    if member.name == SIZE:
        level, here, able, by_text = "all levels", total(found, split), len(candidates), False
    elif asked is not None and asked.kind == "floor":
        level = f"{asked.dimension}={asked.level}"
        here = found.get((split, asked.dimension, asked.level), Supply(0, 0, 0))
        able = candidates.levels[asked.dimension].counts().get(asked.level, 0)
        by_text = asked.dimension in _TOLD_BY_TEXT
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
