"""Every query of the docs runs, says which row is which, and agrees with the command that gives the same figure."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cli.main import app
from infra.contracts import contract
from infra.lake import Lake
from infra.settings import ExperimentsSettings, load_settings
from infra.write import frames
from jobs.experiments.readouts import gather, readout
from tests.cli.test_help import ROOT, words_of
from tests.conftest import DAY, filled, migrated, put
from tests.jobs.experiments.conftest import declared

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FIRST, THIRD = DAY - timedelta(days=2), DAY


def queries_of(page: Path) -> list[str]:
    """Blocks of SQL that read, and statements of `flywheel sql`, of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = [
        block for block in re.findall(r"^```sql\n(.*?)^```", text, re.M | re.S) if "CREATE" not in block
    ]
    lines = [words_of(line) for line in text.splitlines() if re.match(r" *flywheel sql ", line)]
    return blocks + [next(word for word in words[2:] if not word.startswith("-")) for words in lines]


QUERIES = [
    pytest.param(query, id=f"{page.name}-{n}") for page in PAGES for n, query in enumerate(queries_of(page))
]


def test_the_pages_have_queries() -> None:
    assert len(QUERIES) > 15


def _counted(table: str, days: tuple[date, ...] = (FIRST, THIRD)) -> list[dict[str, Any]]:
    """Two of everything by which rows of the curation tables differ."""
    return [
        {"dataset_id": dataset, "split": split, "dimension": dimension, "level": level, "outcome": outcome,
         "reason": "r",
         "turns": turns, "users": float(turns), "ds": day, "kind": kind, "wanted": 2.0, "used": 2.0, "sample_size": 8,
         "achieved": 2, "slack": 0.0, "relax_order": None}
        for dataset in ("d", "e")
        for split in ("train", "evaluation")
        for dimension in ("jtbd", "depth_band")
        for n, level in enumerate(("advice", "other"))
        for m, outcome in enumerate(("selected", "rejected") if table == "curation.composition" else ("",))
        for kind in (("target", "cap") if table == "curation.constraints" else ("",))
        for turns, day in ((50 + 30 * n + 9 * m + 40 * (split == "train"), day) for day in days)
    ]  # fmt: skip


def _responses() -> list[dict[str, Any]]:
    start = datetime(2026, 11, 20, 12, tzinfo=UTC)
    return [
        {"turn_id": f"{source}{version}{n}", "user_id": f"u{n % 5}", "session_id": f"s{n}", "source": source, "ds": DAY,
         "model_version": version, "language": "en", "locale": "en-GB", "depth_band": "1", "is_final": True,
         "response_ts": start, "observed_until_ts": start + timedelta(days=1),
         "continued": n % (2 if source == "user" else 3) == 0}
        for source in ("user", "internal")
        for version in ("V1", "V2")
        for n in range(12)
    ]  # fmt: skip


def _totals() -> list[dict[str, Any]]:
    """Day 3 of 7: users of two arms, one of each arm who does not count, and the day before."""
    return [
        {"experiment_id": "exp-001", "metric": "messages", "user_id": f"{arm}{n}", "arm": arm, "excluded": excluded,
         "first_exposure_ds": FIRST, "days_engaged": min(engaged, (day - FIRST).days + 1), "amount": 5 * engaged,
         "as_of_ds": day, "ds": day}
        for day in (THIRD - timedelta(days=1), THIRD)
        for arm, days in (("control", (3, 2, 0, 1, 3)), ("test", (3, 3, 1, 2, 2, 0)))
        for n, engaged in enumerate(days)
        for excluded in ("bot" if n == 4 else None,)
    ]  # fmt: skip


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return frames.arrow_table(contract(name), filled(name, rows))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("docs")
    lake: Lake = migrated(load_settings(home=home))
    put(lake, "curation.composition", _counted("curation.composition"))
    put(lake, "curation.constraints", _counted("curation.constraints", (THIRD,)))
    put(lake, "signals.labels", _responses())
    put(
        lake, "curation.outcomes",
        [{"turn_id": f"t{n}", "outcome": outcome, "reason": reason, "ds": day, "split": "train", "source": "user"}
         for day in (FIRST, THIRD)
         for n, (outcome, reason) in enumerate((("eligible", None), ("rejected", "unsafe:S2"), ("rejected", "a")))],
    )  # fmt: skip
    put(
        lake, "preherding.reward_models",
        [{"model": "reward-pointwise", "version": version, "mode": mode, "kind": "pointwise", "pairs": 9,
          "training_pairs": 90}
         for version in (1, 2) for mode in ("static", "interactive")],
    )  # fmt: skip
    put(
        lake,
        "ops.runs",
        [
            {
                "job": "curation.outcomes",
                "run_id": "r",
                "state": "succeeded",
                "rows_in": 3,
                "rows_out": 3,
                "ds": DAY,
            }
        ],
    )
    _read_out(lake)
    return home


def _read_out(lake: Lake) -> None:
    """Totals of users, and the readouts that the job's own functions make of them."""
    definition = declared(
        experiment_id="exp-001", start_ds=FIRST, end_ds=FIRST + timedelta(days=6), segments=(), bot_messages_per_day=500
    )  # fmt: skip
    put(lake, "experiments.definitions", [
        {"experiment_id": "exp-001", "title": "t", "control_arm": "control", "start_ds": FIRST,
         "end_ds": definition.end_ds, "definition": "{}", "ds": FIRST, "declared_ts": datetime(2026, 11, 1, tzinfo=UTC)}
    ])  # fmt: skip
    put(lake, "experiments.unit_totals", _totals())
    known = [
        {"experiment_id": "exp-001", "user_id": row["user_id"], "arm": row["arm"], "eligible": True, "source": "user",
         "ds": FIRST, "tenure": "new"}
        for row in _totals() if row["ds"] == THIRD
    ]  # fmt: skip
    frames_of = _table("experiments.unit_totals", _totals()), _table("experiments.covariates", known)
    days = sorted({row["ds"] for row in _totals()})
    cells, _ = gather(*frames_of, {"exp-001": definition}, days)
    for day in days:
        _, compared = readout(cells["exp-001", day], definition, day, ExperimentsSettings())
        put(lake, "experiments.readouts", [
            {"experiment_id": "exp-001", "as_of_ds": day, "ds": day, "k": definition.day_number(day), "arm": arm,
             "control_arm": "control", "metric": str(row.metric), "segment": segment, "method": str(row.method),
             "estimate_test": row.estimate_test, "estimate_control": row.estimate_control, "lift_pct": row.lift_pct,
             "interval_kind": "bounded", "low_pct": row.low_pct, "high_pct": row.high_pct, "status": str(row.status),
             "verdict": "not_final", "input_versions": "{}"}
            for segment, arm, row in compared
        ])  # fmt: skip


def ask(home: Path, *arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, [*arguments, "--format", "json"], env={"FLYWHEEL_HOME": str(home)})
    assert done.exit_code == 0, (arguments, done.exception)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_runs_and_says_which_row_is_which(home: Path, query: str) -> None:
    """Two rows that differ in their figures only leave a reader to guess what each is of."""
    rows = ask(home, "sql", query)
    said = [
        (*(value for value in row.values() if isinstance(value, str)), row.get("version")) for row in rows
    ]
    assert len(said) == len(set(said))


def test_breadth_and_depth_are_those_of_the_readout(home: Path) -> None:
    (query,) = [query for query in queries_of(ROOT / "docs" / "experiments.md") if "unit_totals" in query]
    found = {row["arm"]: row for row in ask(home, "sql", query)}
    told = {row["metric"]: row for row in ask(home, "readout", "exp-001", "--method", "plain")}
    assert {arm: row["exposed"] for arm, row in found.items()} == {"control": 4, "test": 5}
    for metric in ("breadth", "depth"):
        assert found["test"][metric] == pytest.approx(told[metric]["estimate_test"])
        assert found["control"][metric] == pytest.approx(told[metric]["estimate_control"])
    # By hand: control has 3, 2, 0 and 1 of three days.
    assert found["control"]["breadth"] == pytest.approx((3 + 2 + 0 + 1) / 4 / 3)


def test_rows_of_the_readouts_are_those_of_the_command(home: Path) -> None:
    (query,) = [query for query in queries_of(ROOT / "docs" / "experiments.md") if "QUALIFY" in query]
    told = {
        (row["arm"], row["metric"]): row["lift_pct"]
        for row in ask(home, "readout", "exp-001", "--method", "plain")
    }
    assert {(row["arm"], row["metric"]): row["lift_pct"] for row in ask(home, "sql", query)} == told


def test_shares_of_a_day_add_up_in_each_split(home: Path) -> None:
    (query,) = [query for query in queries_of(ROOT / "docs" / "analyst.md") if "dataset_days" in query]
    sums: dict[tuple[str, ...], float] = {}
    for row in ask(home, "sql", query):
        which = (row["dataset_id"], row["split"], row["ds"])
        sums[which] = sums.get(which, 0) + row["usable_pct"]
    assert len(sums) == 8
    assert all(total == pytest.approx(100, abs=0.1) for total in sums.values())
