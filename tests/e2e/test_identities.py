"""What goes in is what comes out: the identities of the tables hold to the row, and nothing leaks."""

from __future__ import annotations

import ast
import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.contracts import contract, table_names
from infra.lake.sql import connect
from infra.spark import small
from jobs.declaration import is_landed
from tests.e2e.conftest import DAYS, Product, pipeline, written_tables

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("product")]
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def one(product: Product, sql: str) -> Any:
    with connect(product.lake, sql) as connection:
        return connection.execute(sql).fetchall()


def test_landed_lines_are_kept_duplicates_or_quarantined(product: Product) -> None:
    rows = [
        r
        for r in product.lake.open("ops.runs").to_pyarrow_table().to_pylist()
        if r["table_name"] == "traffic.events"
    ]
    assert {r["ds"] for r in rows} == set(DAYS)
    for row in rows:
        rejected = dict(row["rows_rejected"])
        assert row["rows_in"] == row["rows_out"] + sum(rejected.values()), row["ds"]
        quarantined = one(
            product,
            f"SELECT reason, count(*) FROM traffic.quarantine WHERE ds = DATE '{row['ds']}' GROUP BY 1",
        )
        assert {k: v for k, v in rejected.items() if k != "duplicate"} == dict(quarantined)
        kept = one(product, f"SELECT count(*) FROM traffic.events WHERE received_ds = DATE '{row['ds']}'")
        assert kept == [(row["rows_out"],)]


def test_every_turn_has_one_verdict_and_one_outcome(product: Product) -> None:
    ids = {t: Counter(r[0] for r in one(product, f"SELECT turn_id FROM {t}")) for t in (
        "traffic.turns", "curation.screened", "curation.outcomes", "signals.labels")}  # fmt: skip
    assert (
        ids["traffic.turns"] == ids["curation.screened"] == ids["curation.outcomes"] == ids["signals.labels"]
    )
    assert set(ids["traffic.turns"].values()) == {1}


def test_every_turn_that_passed_is_described_and_only_closed_windows_are_known(product: Product) -> None:
    passed = one(product, "SELECT turn_id FROM curation.screened WHERE verdict = 'pass' ORDER BY 1")
    assert passed == one(product, "SELECT turn_id FROM signals.features ORDER BY 1")
    still_open = "response_ts > observed_until_ts - INTERVAL 10 MINUTE AND continued IS NOT NULL"
    assert one(product, f"SELECT count(*) FROM signals.labels WHERE {still_open}") == [(0,)]
    told = "SELECT count(continued), sum(continued::INT) FROM signals.labels WHERE NOT is_synthetic_time"
    ((known, continued),) = one(product, told)
    assert 0 < continued < known


def test_every_eligible_turn_has_one_outcome_in_the_dataset(product: Product) -> None:
    eligible = Counter(
        r[0] for r in one(product, "SELECT turn_id FROM curation.outcomes WHERE outcome = 'eligible'")
    )
    assert eligible == Counter(r[0] for r in one(product, "SELECT turn_id FROM curation.sample_outcomes"))
    selected = one(
        product, "SELECT turn_id FROM curation.sample_outcomes WHERE outcome = 'selected' ORDER BY 1"
    )
    assert selected == one(product, "SELECT turn_id FROM curation.samples ORDER BY 1")


def test_every_dimension_counts_every_usable_turn_where_it_ended(product: Product) -> None:
    ends = """SELECT coalesce(s.outcome, o.outcome) AS outcome, count(*) AS turns FROM curation.outcomes o
              LEFT JOIN curation.sample_outcomes s ON s.turn_id = o.turn_id
              WHERE o.outcome <> 'ineligible' GROUP BY 1"""
    wrong = one(
        product,
        f"""SELECT * FROM (SELECT DISTINCT dimension FROM curation.composition) d CROSS JOIN ({ends}) e
            WHERE e.turns <> (SELECT sum(c.turns) FROM curation.composition c
                              WHERE c.dimension = d.dimension AND c.outcome = e.outcome)""",
    )
    assert wrong == []
    assert one(product, "SELECT count(DISTINCT dimension) FROM curation.composition") == [(7,)]


def test_constraints_recounted_from_the_written_sample(product: Product) -> None:
    broken = one(
        product,
        """SELECT * FROM curation.constraints
           WHERE (kind = 'floor' AND achieved < wanted)
              OR (kind = 'cap' AND level <> '(none)' AND achieved > wanted)""",
    )
    assert broken == []
    recount = one(
        product,
        """SELECT c.level, c.achieved, (SELECT count(*) FROM curation.samples s
               WHERE s.split = c.split AND s.depth_band = c.level) AS recounted
           FROM curation.constraints c WHERE c.dimension = 'depth_band'""",
    )
    assert recount
    assert all(achieved == recounted for _, achieved, recounted in recount)


def test_planted_identifiers_stay_out_of_curated(
    product: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was caught or announced is nowhere under `curated/`; what was not is counted by class."""
    payloads = {r[0]: json.loads(r[1]) for r in one(product, "SELECT event_id, payload FROM traffic.events")}
    verdict = dict(one(product, "SELECT turn_id, verdict FROM curation.screened"))
    cast = "SELECT character_id, max(verdict <> 'pass') FROM curation.screened_characters GROUP BY 1"
    verdict |= {character: "reject" if barred else "pass" for character, barred in one(product, cast)}
    curated = curated_text(product)
    found: dict[str, list[bool]] = {}
    for gold in gold_rows(product, "identifiers"):
        carrier = gold.get("turn_id") or gold.get("character_id")
        payload = payloads.get(gold["event_id"])
        if carrier not in verdict or payload is None:
            continue  # planted faults: the event came too late, broken, or got no response
        text = payload["instructions" if gold["where"] == "character_instructions" else "text"]
        surface = text[gold["start"] : gold["end"]]
        caught = verdict[carrier] != "pass" or surface not in curated
        found.setdefault(gold["entity"], []).append(caught)
        # A name or an address may be missed; what is announced as a number or an address of the net is not.
        announced = gold["obfuscation"] == "none" and gold["entity"] not in ("PERSON", "LOCATION")
        if gold["parts"] == 1 and (announced or verdict[carrier] != "pass"):
            assert surface not in curated, (gold["entity"], gold["obfuscation"], gold["where"])
    with capsys.disabled():
        recall = {kind: f"{sum(hits)}/{len(hits)}" for kind, hits in sorted(found.items())}
        print(f"\nplanted identifiers caught, by class: {recall}")
    hits = [hit for class_hits in found.values() for hit in class_hits]
    assert len(hits) > 30
    assert sum(hits) / len(hits) >= 0.95


def gold_rows(product: Product, name: str) -> list[dict[str, Any]]:
    with gzip.open(product.truth / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def curated_text(product: Product) -> str:
    """Every cell of every table under `curated/`, as text."""
    tables = [t for t in table_names() if contract(t).root == "curated"]
    rows = (row for t in tables for row in product.lake.open(t).to_pyarrow_table().to_pylist())
    return "\n".join(str({k: v for k, v in row.items() if k != "embedding"}) for row in rows)


def test_nothing_in_the_pipeline_reads_the_truth() -> None:
    for folder in ("dags", "jobs", "models"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            strings = [
                node.value
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            assert not any(s == "truth" or "truth/" in s for s in strings), path


def test_every_job_ran_and_was_accounted_for(product: Product) -> None:
    succeeded = {r[0] for r in one(product, "SELECT DISTINCT job FROM ops.runs WHERE state = 'succeeded'")}
    # A person declared the experiment: decisions stand in the ledger too.
    assert succeeded == {job.name for job in pipeline()} | {"experiments.declare"}
    assert one(product, "SELECT count(*) FROM ops.quality WHERE NOT success AND severity = 'critical'") == [
        (0,)
    ]


def test_every_job_read_what_it_declares_and_all_of_it(product: Product) -> None:
    settings = product.settings
    rows = one(
        product,
        "SELECT DISTINCT job, input_versions FROM ops.runs WHERE state = 'succeeded' AND input_versions IS NOT NULL",
    )
    read: dict[str, list[dict[str, Any]]] = {}
    for name, versions in rows:
        read.setdefault(name, []).append(json.loads(versions)["reads"])
    for job in pipeline():
        if job.name == "preherding.score":
            continue  # no model is named, so that there is nothing to read
        declared = {name: reach for name, reach in job.reads.items() if not reach.pinned}
        for reads in read[job.name]:
            # Of its own tables a job may need less than it may read.
            assert set(declared) - set(job.writes) <= set(reads) <= set(declared), job.name
            for name, reach in declared.items():
                if is_landed(name) or name in job.writes:
                    continue
                days = [str(day) for day in reach.days(settings, DAYS)]
                assert reads[name] == ([days[0], days[-1]] if reach.is_bounded else None), (job.name, name)


def test_exposed_users_are_conserved_and_totals_are_the_sums_of_days(product: Product) -> None:
    counted = """SELECT count(*) FROM experiments.assignments WHERE ds BETWEEN DATE '{0}' AND DATE '{1}'"""
    for at, day in enumerate(DAYS):
        users = one(product, counted.format(DAYS[0], day))
        assert users[0][0] > 0
        assert users == one(product, f"SELECT count(*) FROM experiments.unit_totals WHERE ds = DATE '{day}'")
        told = one(
            product,
            f"""SELECT basis, list_sum(map_values(users)) FROM experiments.populations
                WHERE as_of_ds = DATE '{day}' AND segment = 'all'""",
        )
        parts = dict(told)
        assert parts.pop("assigned") == users[0][0] == sum(parts.values())
        wrong = one(
            product,
            f"""SELECT user_id FROM experiments.unit_totals t
                JOIN (SELECT user_id, sum(amount) AS amount, count_if(engaged) AS days FROM experiments.unit_days
                      WHERE ds <= DATE '{day}' GROUP BY user_id) d USING (user_id)
                WHERE t.ds = DATE '{day}' AND (t.amount <> d.amount OR t.days_engaged <> d.days
                                               OR t.days_engaged > {at + 1})""",
        )
        assert wrong == []
    assert one(product, "SELECT count(*) FROM experiments.readouts d JOIN experiments.readouts b "
               "USING (as_of_ds, arm, segment, method) WHERE d.metric = 'depth' AND b.metric = 'breadth' "
               "AND b.status = 'ok' AND (d.n_test > b.n_test OR d.n_control > b.n_control)") == [(0,)]  # fmt: skip


def test_users_in_several_arms_are_dropped_from_all(product: Product) -> None:
    several = (
        "SELECT user_id FROM experiments.assignments WHERE in_several_arms AND source = 'user' ORDER BY 1"
    )
    last = f"ds = DATE '{DAYS[-1]}' AND excluded = 'in_several_arms'"
    assert one(product, several) == one(
        product, f"SELECT user_id FROM experiments.unit_totals WHERE {last} ORDER BY 1"
    )


def test_the_true_lifts_are_among_those_not_ruled_out(product: Product) -> None:
    truth = json.loads((product.truth / "experiment.json").read_text())["truth"]
    rows = one(
        product,
        f"""SELECT metric, low_pct, high_pct, gap_low_pct, gap_high_pct FROM experiments.readouts
            WHERE as_of_ds = DATE '{DAYS[-1]}' AND segment = 'all' AND status = 'ok'
              AND metric IN ('breadth', 'depth')""",
    )
    assert rows
    for metric, low, high, gap_low, gap_high in rows:
        lift = truth[metric]["lift_pct"]
        assert (low is None or low <= lift) and (high is None or lift <= high), metric  # noqa: PT018
        assert gap_low is None or not gap_low < lift < gap_high, metric


def test_the_delta_log_bounds_nothing_that_anybody_wrote(product: Product) -> None:
    """It outlives the rows: neither engine may put the least and the greatest message of a file there."""
    bounded = set()
    for name in table_names():
        said = {column.name for column in contract(name).columns if column.pii in ("raw", "redacted")}
        for log in (Path(product.lake.path(name)) / "_delta_log").glob("*.json"):
            adds = (json.loads(line).get("add") for line in log.read_text().splitlines())
            for stats in (json.loads(add["stats"]) for add in adds if add and add.get("stats")):
                assert not said & {*stats.get("minValues", {}), *stats.get("nullCount", {})}, name
                bounded |= set(stats.get("minValues", {}))
    assert {"user_id", "turn_id", "event_ts"} <= bounded


@pytest.mark.nightly
def test_many_rows_are_read_as_few_are(
    product: Product, copied: Callable[[], Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small product is read through Arrow and interpreted; a large one by Spark, with compiled code."""
    monkeypatch.setattr(small, "SMALL_ROWS", -1)
    copy = copied()
    copy.run_all(force=True)
    for table in sorted(set(written_tables())):
        assert copy.rows(table) == product.rows(table), table
