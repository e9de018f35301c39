"""Rows of `curation.constraints` recounted from the drawn rows; what gave way, and what starved a floor, is said."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import InfeasibleConstraints
from infra.settings import ConstraintSettings, SamplingSettings
from jobs.curation.sample import solve
from jobs.curation.sampling.achieved import COLUMNS, constraint_rows
from jobs.curation.sampling.attributes import DIMENSIONS
from jobs.curation.sampling.supply import Supplies, Supply
from tests.conftest import examples

NAMES = list(COLUMNS)


def eligible(seed: int, rows: int) -> pa.Table:
    """Candidates with all seven dimensions; two or three turns of a conversation."""
    random = np.random.default_rng(seed)
    quality = random.random(rows).round(3)
    columns: dict[str, Any] = {
        "turn_id": [f"t{row:05}" for row in range(rows)],
        "conversation_id": [f"c{row // int(random.integers(1, 4)):05}" for row in range(rows)],
        "quality": quality,
        "first_turn": random.choice(["first", "later"], rows, p=[0.3, 0.7]),
        "character": random.choice(["(none)", *(f"ch{n}" for n in range(9))], rows),
        "locale_language": random.choice(["en", "es", "hi"], rows, p=[0.6, 0.3, 0.1]),
        "jtbd": random.choice(["advice", "joke"], rows),
        "depth_band": random.choice(["1", "2-5"], rows),
        "quality_band": np.where(quality < 0.4, "low", "high"),
        "difficulty_band": random.choice(["easy", "hard"], rows),
    }
    return pa.table(columns)


def traffic(table: pa.Table) -> Supplies:
    return {
        ("train", name, level): Supply(3 * count, 2 * count, count)
        for name in DIMENSIONS
        for level, count in Counter(table.column(name).to_pylist()).items()
    }


def solved(table: pa.Table, **rules: Any) -> tuple[pa.Table, dict[tuple[str, str, str], dict[str, Any]]]:
    """Chosen rows, and rows of `curation.constraints` by (dimension, level, kind)."""
    found = traffic(table)
    one = solve("train", table, table.num_rows, found, SamplingSettings(sample_share={}, **rules))
    assert one.drawn is not None
    rows = [dict(zip(NAMES, row, strict=True)) for row in constraint_rows(one, found)]
    return table.filter(pa.array(one.drawn.selected)), {
        (row["dimension"], row["level"], row["kind"]): row for row in rows
    }


@examples(20)
@given(st.integers(0, 10_000))
def test_bounds_hold_and_counts_are_those_of_the_rows(seed: int) -> None:
    table = eligible(seed, 240)
    more = (
        ConstraintSettings(dimension="locale_language", level="*", kind="floor", share=0.05),
        ConstraintSettings(dimension="jtbd", level="joke", kind="cap", share=0.55),
    )
    chosen, rows = solved(table, sample_size={"train": 40}, character_cap=0.2, constraints=more, seed=seed)
    assert chosen.num_rows == len(set(chosen.column("conversation_id").to_pylist())) == 40
    counts = {name: Counter(chosen.column(name).to_pylist()) for name in DIMENSIONS}
    for (dimension, level, kind), row in rows.items():
        if dimension != "size":
            assert row["achieved"] == counts[dimension][level]
            assert row["before"] == 3 * Counter(table.column(dimension).to_pylist())[level]
            assert kind not in ("floor", "cap") or row["slack"] >= 0
            assert (row["relax_order"], row["used"]) == (None, row["wanted"])
    assert counts["first_turn"]["first"] >= 4
    assert all(n <= 8 for name, n in counts["character"].items() if name != "(none)")
    assert all(counts["locale_language"][name] >= 2 for name in ("en", "es", "hi"))
    assert counts["jtbd"]["joke"] <= 22
    turned = table.take(np.random.default_rng(seed).permutation(table.num_rows))
    again, other = solved(turned, sample_size={"train": 40}, character_cap=0.2, constraints=more, seed=seed)
    assert sorted(again.column("turn_id").to_pylist()) == chosen.column("turn_id").to_pylist()
    assert other == rows


def test_what_gave_way_is_on_record() -> None:
    """80 % of 40 in Hindi are 32 rows, which are not there: the floor comes down to what there is, and says so."""
    table = eligible(1, 240)
    hindi = ConstraintSettings(dimension="locale_language", level="hi", kind="floor", share=0.8)
    asked: dict[str, Any] = {"sample_size": {"train": 40}, "character_cap": 0.2, "constraints": (hindi,)}
    with pytest.raises(InfeasibleConstraints, match="floor locale_language=hi"):
        solved(table, **asked)
    chosen, rows = solved(table, **asked, relax=("cap character", "floor locale_language"))
    have = pc.sum(pc.equal(chosen.column("locale_language"), "hi")).as_py()
    row = rows["locale_language", "hi", "floor"]
    assert (row["wanted"], row["used"], row["achieved"], row["relax_order"]) == (32, have, have, 2)
    assert row["slack"] == have - 32
    assert rows["first_turn", "first", "floor"]["relax_order"] is None
    capped = [one for (dimension, _, kind), one in rows.items() if (dimension, kind) == ("character", "cap")]
    assert {one["wanted"] for one in capped} == {8}
    assert all(one["relax_order"] in (None, 1) and one["achieved"] <= one["used"] for one in capped)


@pytest.mark.parametrize(
    ("supply", "said"),
    [
        (Supply(30, 20, 10), "30 in traffic, 20 after Phase I, 10 after Phase II.*traffic has too few"),
        (Supply(300, 20, 10), "too few passed Phase I"),
        (Supply(300, 200, 10), r"Phase II leaves too few \(diversity.keep_proportion\)"),
        (
            Supply(300, 200, 100),
            r"split leaks and unsafe contexts leave too few \(sampling.leak_similarity\)",
        ),
    ],
)
def test_a_starved_floor_says_which_phase_starves_it(supply: Supply, said: str) -> None:
    table = eligible(1, 240)
    hindi = ConstraintSettings(dimension="locale_language", level="hi", kind="floor", share=0.8)
    rules = SamplingSettings(sample_size={"train": 40}, character_cap=1, constraints=(hindi,))
    found = {**traffic(table), ("train", "locale_language", "hi"): supply}
    with pytest.raises(InfeasibleConstraints, match=said):
        solve("train", table, 240, found, rules)
