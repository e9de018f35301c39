"""Ordered relaxation: worked by hand, then recounted on random conflicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from infra.errors import SettingsError
from infra.settings import SamplingSettings
from jobs.curation.sampling.bounds import HardBounds
from jobs.curation.sampling.constraints import ANY, Constraint, Strata
from jobs.curation.sampling.relaxation import relax, relaxed_constraints
from jobs.curation.sampling.request import request


def cells(*rows: tuple[str, str, int]) -> Strata:
    """Strata of (first_turn, character, available)."""
    return Strata(
        {"first_turn": np.array([row[0] for row in rows]), "character": np.array([row[1] for row in rows])},
        np.array([row[2] for row in rows], dtype=np.int64),
        np.full(len(rows), 0.5),
    )


def gave_way(
    supply: Strata, size: int, constraints: list[Constraint], *patterns: str
) -> dict[str, int] | None:
    found = relax(HardBounds.of(supply, constraints), size, patterns)
    return None if found is None else {one.constraint.name: one.slack for one in found}


# All 30 first turns are character a's; K = 40 wants 20 of them, of one character at most 10.
ONE_CHARACTER = cells(
    ("first", "a", 30), ("later", "a", 50), ("later", "b", 50), ("later", "c", 50), ("later", "d", 50)
)
FLOOR = Constraint("first_turn", "first", "floor", share=0.5)
CAP = Constraint("character", ANY, "cap", share=0.25)


def test_the_first_named_gives_first() -> None:
    assert gave_way(ONE_CHARACTER, 40, [FLOOR, CAP], "cap character", "floor first_turn") == {
        "cap character=*": 10
    }
    assert gave_way(ONE_CHARACTER, 40, [FLOOR, CAP], "floor first_turn", "cap character") == {
        "floor first_turn=first": 10
    }


def test_a_later_one_gives_only_what_the_earlier_cannot() -> None:
    """Half of 80 are 40 first turns, of which there are 30: the floor gives 10 whatever the cap (20) does, that 10."""
    names = ("cap character", "floor first_turn=first")
    assert gave_way(ONE_CHARACTER, 80, [FLOOR, CAP], *names) == {
        "cap character=*": 10,
        "floor first_turn=first": 10,
    }
    assert gave_way(ONE_CHARACTER, 80, [FLOOR, CAP], "cap character") is None


def test_what_is_not_named_never_gives() -> None:
    assert gave_way(ONE_CHARACTER, 40, [FLOOR, CAP]) is None
    assert gave_way(ONE_CHARACTER, 40, [FLOOR, CAP], "floor character", "cap first_turn") is None


@pytest.mark.parametrize("seed", range(20))
def test_least_slack_is_least(seed: int) -> None:
    """With what gave way everything holds; with one row less of any it does not, however much earlier ones give."""
    random = np.random.default_rng(seed)
    names = [f"c{n}" for n in range(6)]
    supply = cells(
        *((first, name, int(random.integers(0, 25))) for first in ("first", "later") for name in names)
    )
    size = max(1, int(supply.available.sum()) // 2)
    constraints = [
        Constraint("first_turn", "first", "floor", share=round(float(random.uniform(0.3, 0.9)), 2)),
        Constraint("character", ANY, "cap", share=round(float(random.uniform(0.1, 0.2)), 2)),
        *(Constraint("character", name, "floor", count=int(random.integers(0, 15))) for name in names[:3]),
    ]
    order = [*(f"floor character={name}" for name in names[:3]), "cap character", "floor first_turn"]
    found = relax(HardBounds.of(supply, constraints), size, order)
    assert found is not None
    bounds = HardBounds.of(supply, relaxed_constraints(constraints, found, size))
    assert bounds.hold(size, bounds.all)
    for one in found:
        later = [other for other in found if other.order > one.order]
        tight = HardBounds.of(
            supply, relaxed_constraints(constraints, [*later, replace(one, slack=one.slack - 1)], size)
        )
        earlier = {other.constraint.name for other in found if other.order < one.order}
        assert not tight.hold(
            size, [index for index in tight.all if tight.constraints[index].name not in earlier]
        )


def test_a_name_that_nothing_bears_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cap jtbd.* is not a floor or cap"):
        request("train", 100, {}, SamplingSettings(relax=("cap jtbd",), targets={}))
    with pytest.raises(ValueError, match="relax: "):
        SamplingSettings(relax=("target jtbd",))
