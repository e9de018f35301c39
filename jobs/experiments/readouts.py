"""What may be said of an experiment on each day of its window: lifts with intervals, and verdicts on the last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from infra import ledger
from infra.errors import ContractError
from infra.settings import ExperimentsSettings
from jobs.experiments import COVARIATES, UNIT_TOTALS
from jobs.experiments.cells import cells, levels, winsor_bounds
from jobs.experiments.comparison import Comparison, compare, judge
from jobs.experiments.definition import TABLE as DEFINITIONS
from jobs.experiments.definition import Definition, DefinitionVersions
from jobs.experiments.moments import Arm, Moments, merged
from jobs.experiments.populations import Population, populations

if TYPE_CHECKING:
    from jobs.context import JobContext

SCHEMA_VERSION = 1
Cell = Mapping[str, Any]
Unit = tuple[str, date]
"""An experiment as of a day."""


def gather(
    totals: DataFrame, covariates: DataFrame, declared: Mapping[str, Definition], days: Sequence[date]
) -> tuple[dict[Unit, list[Cell]], dict[Unit, float]]:
    """The cells of every experiment and day, and the bounds at which messages were cut: two passes over the users.

    Args:
        totals: rows of `experiments.unit_totals` of `days`.
        covariates: rows of `experiments.covariates` of users first exposed up to them.
    """
    bounds = winsor_bounds(totals, declared)
    found: dict[Unit, list[Cell]] = defaultdict(list)
    for row in cells(totals, covariates, declared.values(), days, bounds).toArrow().to_pylist():
        found[row["experiment_id"], row["ds"]].append(row)
    return dict(sorted(found.items())), dict(bounds)


def readout(
    found: Sequence[Cell], definition: Definition, day: date, rules: ExperimentsSettings
) -> tuple[list[Population], list[tuple[str, str, Comparison]]]:
    """Populations of one experiment as of a day, and its comparisons as (segment, test arm, comparison).

    On cumulative day k everybody exposed has |D| = k calendar days, also who was exposed on the last of them.
    """
    k = definition.day_number(day)
    counted = populations(found, definition, rules.sample_ratio_alpha)
    blocked = any(one.sample_ratio_alarm for one in counted)
    by_segment: dict[str, dict[str, list[Arm]]] = defaultdict(lambda: defaultdict(list))
    for cell in found:
        if cell["excluded"] is None:
            arm = Arm.of_row(cell, k)
            for segment in levels(cell):
                by_segment[segment][cell["arm"]].append(arm)
    compared: list[tuple[str, str, Comparison]] = []
    for segment, arms in sorted(by_segment.items()):
        sides = {arm: merged(arms[arm]) if arms[arm] else _NOBODY for arm in definition.arms}
        control = sides[definition.control_arm]
        rows = {
            arm: compare(
                sides[arm], control, fraction=k / definition.window_days, confidence=rules.confidence
            )
            for arm in definition.test_arms
        }
        judged = judge(
            rows,
            definition.metrics if segment == "all" else (),
            blocked=blocked,
            final=day == definition.end_ds,
            alpha=1 - rules.confidence,
        )
        compared += [(segment, arm, row) for arm, of_arm in judged.items() for row in of_arm]
    return counted, compared


_NOBODY = Arm(Moments(), Moments())


def run(ctx: JobContext) -> None:
    """Read out every experiment whose window covers a day of the run."""
    versions = DefinitionVersions(ctx.lake, ctx.version_read(DEFINITIONS))
    declared = versions.in_force
    named = _InputVersions(ctx, versions)
    found, bounds = gather(
        ctx.read("experiments.unit_totals"), ctx.read("experiments.covariates"), declared, ctx.days
    )
    population_rows: list[dict[str, Any]] = []
    readout_rows: list[dict[str, Any]] = []
    for (name, day), of_unit in found.items():
        one = declared[name]
        counted, compared = readout(of_unit, one, day, ctx.settings.experiments)
        common = {
            "experiment_id": name,
            "as_of_ds": day,
            "input_versions": named.of(one, day),
            "schema_version": SCHEMA_VERSION,
            "ds": day,
        }
        population_rows += [common | asdict(row) for row in counted]
        readout_rows += _readout_rows(common, one, counted, compared, bounds.get((name, day)))
    ctx.write("experiments.populations", _frame(ctx, "experiments.populations", population_rows))
    ctx.write("experiments.readouts", _frame(ctx, "experiments.readouts", readout_rows))


def _readout_rows(
    common: Mapping[str, Any],
    one: Definition,
    counted: Iterable[Population],
    compared: Iterable[tuple[str, str, Comparison]],
    bound: float | None,
) -> list[dict[str, Any]]:
    ratios = {row.segment: row.sample_ratio_p for row in counted if row.basis == "exposed"}
    return [
        dict(common)
        | asdict(row)
        | {
            "k": one.day_number(common["as_of_ds"]),
            "arm": arm,
            "control_arm": one.control_arm,
            "segment": segment,
            "sample_ratio_p": ratios.get(segment),
            "winsor_bound": bound if row.method == "winsorised" else None,
        }
        for segment, arm, row in compared
    ]


def _frame(ctx: JobContext, table: str, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Rows as a frame with the table's types, StrEnums as their names."""
    from infra.contracts import contract

    columns = [column for column in contract(table).columns if column.name != "run_id"]
    schema = ", ".join(f"{column.name} {column.type}" for column in columns)
    return ctx.spark.createDataFrame([tuple(_plain(row[c.name]) for c in columns) for row in rows], schema)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


class _InputVersions:
    """The versions that a readout names: of each table the first at which what was read is as it is now.

    What later runs write of other days, or write again the same, leaves them as they are: the same content read again
    is the same readout. Reading the tables at these versions gives its numbers again.
    """

    def __init__(self, ctx: JobContext, definitions: DefinitionVersions) -> None:
        self._definitions = definitions
        self._since = {
            job.closing_table: ledger.content_versions(ctx.lake, job.closing_table, job.name)
            for job in (UNIT_TOTALS, COVARIATES)
        }
        for table, since in self._since.items():
            if any(version > ctx.versions[table] for version in since.values()):
                raise ContractError(
                    "it changed while it was about to be read", table=table, hint="Run the job again."
                )

    def of(self, one: Definition, day: date) -> str:
        """JSON: table to version, for an experiment as of a day."""
        window = [one.start_ds + timedelta(days=n) for n in range(one.day_number(day))]
        totals, known = self._since[UNIT_TOTALS.closing_table], self._since[COVARIATES.closing_table]
        return ledger.as_json(
            {
                DEFINITIONS: self._definitions.of(one.experiment_id),
                COVARIATES.closing_table: max(known.get(d.isoformat(), 0) for d in window),
                UNIT_TOTALS.closing_table: totals[day.isoformat()],
            }
        )
