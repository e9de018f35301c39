"""From events to a readout, by hand; the same in any order, cut and repetition; late events move what they touch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from infra.lake import Lake, ledger
from infra.settings import ExperimentsSettings, Settings
from jobs.experiments import JOBS
from jobs.experiments.assignments import assign, exposures
from jobs.experiments.comparison import Comparison
from jobs.experiments.covariates import covariates, windows
from jobs.experiments.definition import Definition, declare, definitions
from jobs.experiments.populations import Population
from jobs.experiments.readouts import gather, readout
from jobs.experiments.unit_totals import unit_days, unit_totals
from jobs.runner import run_stale
from tests.conftest import put
from tests.jobs.experiments.conftest import date_of, declared, eleven_users, exposed, messages

EVENTS = (
    "event_id string, event_ts timestamp, event_type string, source string, surface string, user_id string, "
    "locale string, payload string, ds date"
)
KEPT = (
    "experiment_id string, user_id string, arm string, eligible boolean, source string, assigned_ts timestamp, "
    "first_exposure_ts timestamp, in_several_arms boolean, ds date"
)
TOTALS = (
    "experiment_id string, metric string, user_id string, arm string, first_exposure_ds date, excluded string, "
    "days_engaged int, amount bigint, ds date, as_of_ds date"
)
RULES = ExperimentsSettings()
NOWHERE = Path("/nonexistent")
"""Totals on Spark need no folder."""
DAYS = (date_of(0), date_of(1))
Found = tuple[list[Population], dict[tuple[str, str, str, str], Comparison]]


def frame(spark: SparkSession, events: Sequence[dict[str, Any]], partitions: int) -> DataFrame:
    def row(one: dict[str, Any]) -> tuple[Any, ...]:
        moment = datetime.fromisoformat(one["event_ts"])
        return (
            one["event_id"], moment, one["event_type"], one["source"], one["surface"], one["user_id"], one["locale"],
            json.dumps(one["payload"]), moment.date(),
        )  # fmt: skip

    return spark.createDataFrame([row(one) for one in events], EVENTS).repartition(partitions)


def read_out(
    spark: SparkSession,
    events: Sequence[dict[str, Any]],
    one: Definition,
    stretches: Sequence[Sequence[date]] = (DAYS,),
    partitions: int = 2,
) -> dict[date, Found]:
    """Everything from events to comparisons, each stretch of days added to the one before."""
    seen = frame(spark, events, partitions)
    window = windows(spark, [one])
    assigned = assign(exposures(seen), spark.createDataFrame([], KEPT))
    known = covariates(assigned, seen, window, RULES.pre_period_days).localCheckpoint()
    before = spark.createDataFrame([], TOTALS)
    rows: list[Any] = []
    for days in stretches:
        today = unit_days(known, seen.where(seen.ds.isin(list(days))), window, days)
        made = unit_totals(today, before, [days], len(DAYS), NOWHERE).select(TOTALS_COLUMNS).collect()
        before = spark.createDataFrame([row for row in made if row["ds"] == days[-1]], TOTALS)
        rows += made
    # Rows of the tables hold each user once a day, whatever the order they came in.
    assert len({(row["user_id"], row["ds"]) for row in rows}) == len(rows)
    totals = spark.createDataFrame(rows[:: 1 if partitions == 2 else -1], TOTALS).repartition(partitions)
    cells, _ = gather(totals, known, {one.experiment_id: one}, DAYS)
    found = {}
    for (_, day), of_day in cells.items():
        counted, compared = readout(of_day, one, day, RULES)
        found[day] = counted, {(s, arm, row.metric, row.method): row for s, arm, row in compared}
    return found


TOTALS_COLUMNS = [part.split()[0] for part in TOTALS.split(", ")]


def numbers(row: Comparison) -> list[float]:
    """Estimates and variances of both arms."""
    values = (
        row.estimate_test,
        row.variance_of_mean_test,
        row.estimate_control,
        row.variance_of_mean_control,
    )
    assert None not in values
    return [float(value or 0) for value in values]


@pytest.fixture(scope="module")
def by_hand(spark: SparkSession) -> dict[date, Found]:
    return read_out(spark, eleven_users(), declared())


def test_metrics_by_hand(by_hand: dict[date, Found]) -> None:
    counted, compared = by_hand[date_of(1)]
    plain = {
        metric: row for (s, _, metric, method), row in compared.items() if (s, method) == ("all", "plain")
    }
    # Of two days: test e 2, f 1, g 1; control a 2, b 0, c 1, d 2.
    assert numbers(plain["breadth"]) == pytest.approx([2 / 3, 1 / 36, 5 / 8, 11 / 192])
    # Messages of who sent any: test 4, 5, 1; control 3, 2, 4.
    assert numbers(plain["depth"]) == pytest.approx([10 / 3, 13 / 9, 3, 1 / 3])
    assert (plain["depth"].n_test, plain["depth"].n_control, plain["breadth"].n_control) == (3, 3, 4)
    # Over all exposed: control 3, 0, 2, 4.
    assert numbers(plain["mean_exposed"])[2:] == pytest.approx([9 / 4, 35 / 48])
    assert plain["breadth"].lift_pct == pytest.approx(100 * ((2 / 3) / (5 / 8) - 1))
    assert plain["share_engaged"].status == "no_variance"  # all three of the test arm were
    told = {one.basis: one for one in counted if one.segment == "all"}
    assert {basis: dict(one.users) for basis, one in told.items()} == {
        "assigned": {"control": 6, "test": 5}, "exposed": {"control": 4, "test": 3}, "bot": {"control": 1, "test": 0},
        "internal": {"control": 0, "test": 1}, "ineligible": {"control": 1, "test": 0},
        "in_several_arms": {"control": 0, "test": 1},
    }  # fmt: skip
    # On the day before, h counted and c and f were not exposed.
    (first_counted, first) = by_hand[date_of(0)]
    row = first["all", "test", "breadth", "plain"]
    assert (row.n_test, row.n_control, row.verdict) == (3, 3, "not_final")
    assert numbers(row)[::2] == pytest.approx([2 / 3, 2 / 3])
    assert next(one.users for one in first_counted if one.basis == "exposed")["test"] == 3


def test_segments_are_what_was_known_at_exposure_and_bear_no_verdict(by_hand: dict[date, Found]) -> None:
    compared = by_hand[date_of(1)][1]
    assert {segment for segment, *_ in compared} == {"all", "language=en", "language=hi-Latn"}
    english = compared["language=en", "test", "depth", "plain"]
    assert numbers(english)[::2] == pytest.approx([2.5, 3])
    assert english.verdict == "exploratory"
    assert compared["language=hi-Latn", "test", "depth", "plain"].status in ("none_engaged", "insufficient")
    assert compared["all", "test", "depth", "winsorised"].estimate_control == pytest.approx(3, rel=0.02)


def test_order_cut_and_partitions_change_nothing(spark: SparkSession, by_hand: dict[date, Found]) -> None:
    again = read_out(spark, eleven_users()[::-1], declared(), stretches=[[day] for day in DAYS], partitions=5)
    for day, (counted, compared) in by_hand.items():
        assert again[day][0] == counted
        assert again[day][1].keys() == compared.keys()
        for key, row in compared.items():
            other = again[day][1][key]
            assert (row.status, row.verdict, row.interval_kind) == (
                other.status,
                other.verdict,
                other.interval_kind,
            )
            if row.status == "ok":
                assert numbers(row) == pytest.approx(numbers(other), rel=1e-9)


@pytest.mark.nightly
def test_late_events_move_what_they_touch_and_nothing_is_overwritten(
    spark: SparkSession,
    settings: Settings,
    lake: Lake,
    run_days: Callable[..., Any],
    rows_of: Callable[..., list[dict[str, Any]]],
) -> None:
    land(lake, eleven_users())
    declare(settings, declared(), today=date_of(-1))
    for job in JOBS:
        run_days(job.name, f"{DAYS[0]}..{DAYS[-1]}")
    before = plain_rows(rows_of)
    assert before[DAYS[1], "breadth"][0][0] == pytest.approx([2 / 3, 1 / 36, 5 / 8, 11 / 192])

    # c was exposed on the first day already, and b sent a message. What landing marks: tests/jobs/traffic/test_land.py.
    land(lake, [exposed("c", "control", 0, 8), *messages("b", 0, 12, 1)])
    for job in JOBS[:3]:
        ledger.mark_stale(lake, job.name, DAYS[:1], "late_events", "late")
    # A day run by hand out of turn stands on the old day before it, and is still due.
    run_days("experiments.unit_totals", f"{DAYS[1]}", force=True)
    again = {job.name: run_stale(settings, job.name)[0].days for job in JOBS}
    assert again["experiments.unit_totals"] == again["experiments.readouts"] == DAYS
    after = plain_rows(rows_of)
    # c: three messages on the first day and three on the second. Nothing of the first readout is gone.
    for key, rows in before.items():
        assert after[key][0] == rows[0]
        assert len(after[key]) == 2
    control = after[DAYS[1], "breadth"][1][0][2:]
    assert control == pytest.approx([(1 + 0.5 + 1 + 1) / 4, (3 * 0.125**2 + 0.375**2) / 3 / 4])
    assert after[DAYS[1], "depth"][1][0][2] == pytest.approx((3 + 1 + 6 + 4) / 4)
    # The same again adds nothing: equal content is the same version.
    rows = rows_of("experiments.readouts")
    run_days("experiments.readouts", f"{DAYS[1]}", force=True)
    assert rows_of("experiments.readouts") == rows
    assert_reproduced(spark, lake, [row for row in rows if row["as_of_ds"] == DAYS[1]])


def land(lake: Lake, events: Sequence[dict[str, Any]]) -> None:
    """Put events into the table, and say in the ledger that their days have landed."""
    rows = []
    for one in events:
        moment = datetime.fromisoformat(one["event_ts"])
        payload = json.dumps(one["payload"])
        rows.append(
            one | {"event_ts": moment, "received_ts": moment, "payload": payload, "ds": moment.date()}
        )
    put(lake, "traffic.events", rows)
    landed = {"job": "traffic.land", "table_name": "traffic.events", "state": "succeeded", "run_id": "land"}
    now = {"started_ts": ledger.now(), "ended_ts": ledger.now(), "content_hash": "0:0"}
    put(lake, "ops.runs", [landed | now | {"ds": day} for day in DAYS])


def plain_rows(rows_of: Callable[..., list[dict[str, Any]]]) -> dict[tuple[date, str], list[Any]]:
    """By day and metric: each readout of all users as ([estimates and variances], input_versions), oldest first."""
    found: dict[tuple[date, str], list[Any]] = {}
    rows = rows_of(
        "experiments.readouts", "as_of_ds", "metric", "segment", "method", "estimate_test", "variance_of_mean_test",
        "estimate_control", "variance_of_mean_control", "input_versions", "run_id",
    )  # fmt: skip
    for row in sorted(rows, key=lambda row: row["run_id"]):
        if (row["segment"], row["method"]) == ("all", "plain"):
            values = [row[name] for name in (
                "estimate_test", "variance_of_mean_test", "estimate_control", "variance_of_mean_control")]  # fmt: skip
            found.setdefault((row["as_of_ds"], row["metric"]), []).append((values, row["input_versions"]))
    return found


def assert_reproduced(spark: SparkSession, lake: Lake, rows: Sequence[dict[str, Any]]) -> None:
    """Each readout again, from exactly the versions that it names."""
    read_at = {(row["as_of_ds"], row["input_versions"]) for row in rows}
    assert len(read_at) == 2
    for day, named in sorted(read_at):
        versions = json.loads(named)

        def table(name: str, versions: dict[str, int] = versions) -> DataFrame:
            return spark.read.format("delta").option("versionAsOf", versions[name]).load(lake.path(name))

        known = definitions(lake, versions["experiments.definitions"])
        totals = table("experiments.unit_totals").where(f"ds = DATE'{day}'")
        cells, _ = gather(totals, table("experiments.covariates"), known, [day])
        _, compared = readout(cells["x", day], known["x"], day, RULES)
        then = {
            (row["segment"], row["metric"], row["method"]): row
            for row in rows
            if (row["as_of_ds"], row["input_versions"]) == (day, named)
        }
        assert len(then) == len(compared)
        for segment, _, now in compared:
            row = then[segment, now.metric, now.method]
            assert (row["status"], row["verdict"]) == (now.status, now.verdict)
            for name in ("estimate_test", "variance_of_mean_control", "low_pct", "high_pct"):
                assert (row[name] or 0.0) == pytest.approx(getattr(now, name) or 0.0, rel=1e-9)
