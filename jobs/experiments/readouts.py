"""Reads out each experiment on each day of its window: lifts with intervals, and verdicts on the last day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from infra.errors import ContractError
from infra.lake import ledger
from infra.settings import ExperimentsSettings
from jobs.experiments import COVARIATES, UNIT_TOTALS
from jobs.experiments.cells import cells, levels, winsor_bounds
from jobs.experiments.comparison import Comparison, compare, judge
from jobs.experiments.definition import TABLE as DEFINITIONS
from jobs.experiments.definition import Definition, DefinitionVersions
from jobs.experiments.engines import Frame, frames_read
from jobs.experiments.moments import Arm, Moments, merged
from jobs.experiments.populations import Population, populations

if TYPE_CHECKING:
    from jobs.context import JobContext

SCHEMA_VERSION = 1
Cell = Mapping[str, Any]
Unit = tuple[str, date]
"""An experiment as of a day."""


def gather(
    totals: Frame, covariates: Frame, declared: Mapping[str, Definition], days: Sequence[date]
) -> tuple[dict[Unit, list[Cell]], dict[Unit, float]]:
    """The cells of every experiment and day, and the bounds at which messages were cut: two passes over the users.

    The engine is that of the frames: Spark, or DuckDB for Arrow data. The result is the same.

    Args:
        totals: rows of `experiments.unit_totals` of `days`.
        covariates: rows of `experiments.covariates` of users first exposed up to them.
    """
    bounds = winsor_bounds(totals, declared)
    by_unit: dict[Unit, list[Cell]] = defaultdict(list)
    for cell in cells(totals, covariates, declared.values(), days, bounds):
        by_unit[cell["experiment_id"], cell["ds"]].append(cell)
    return dict(sorted(by_unit.items())), dict(bounds)


def readout(
    of_unit: Sequence[Cell], definition: Definition, day: date, rules: ExperimentsSettings
) -> tuple[list[Population], list[tuple[str, str, Comparison]]]:
    """Populations of one experiment as of a day, and its comparisons as (segment, test arm, comparison).

    On cumulative day k, |D| is k calendar days for every exposed user, also for one exposed on day k.

    Args:
        of_unit: the cells of that experiment and day.
    """
    k = definition.day_number(day)
    counted = populations(of_unit, definition, rules.sample_ratio_alpha)
    blocked = any(population.sample_ratio_alarm for population in counted)
    by_segment: dict[str, dict[str, list[Arm]]] = defaultdict(lambda: defaultdict(list))
    for cell in of_unit:
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
    input_versions = _InputVersions(ctx, versions)
    totals, covariates = frames_read(
        ctx,
        {table: ctx.days_reached(table) for table in (UNIT_TOTALS.closing_table, COVARIATES.closing_table)},
    )
    cells_of, bounds = gather(totals, covariates, declared, ctx.days)
    population_rows: list[dict[str, Any]] = []
    readout_rows: list[dict[str, Any]] = []
    for (name, day), of_unit in cells_of.items():
        definition = declared[name]
        counted, compared = readout(of_unit, definition, day, ctx.settings.experiments)
        common = {
            "experiment_id": name,
            "as_of_ds": day,
            "input_versions": input_versions.of(definition, day),
            "schema_version": SCHEMA_VERSION,
            "ds": day,
        }
        population_rows += [common | asdict(row) for row in counted]
        readout_rows += _readout_rows(common, definition, counted, compared, bounds.get((name, day)))
    ctx.write("experiments.populations", _frame(ctx, "experiments.populations", population_rows))
    ctx.write("experiments.readouts", _frame(ctx, "experiments.readouts", readout_rows))


def _readout_rows(
    common: Mapping[str, Any],
    definition: Definition,
    counted: Iterable[Population],
    compared: Iterable[tuple[str, str, Comparison]],
    bound: float | None,
) -> list[dict[str, Any]]:
    ratios = {row.segment: row.sample_ratio_p for row in counted if row.basis == "exposed"}
    return [
        dict(common)
        | asdict(row)
        | {
            "k": definition.day_number(common["as_of_ds"]),
            "arm": arm,
            "control_arm": definition.control_arm,
            "segment": segment,
            "sample_ratio_p": ratios.get(segment),
            "winsor_bound": bound if row.method == "winsorised" else None,
        }
        for segment, arm, row in compared
    ]


def _frame(ctx: JobContext, table: str, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Rows as a frame with the table's types, StrEnums as their names."""
    from infra.contracts import contract

    schema = contract(table).spark_schema(contract(table).job_columns)
    return ctx.spark.createDataFrame(
        [tuple(_plain(row[name]) for name in schema.names) for row in rows], schema
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


class _InputVersions:
    """The versions that a readout names: for each table, the first one with the content that was read.

    A later run that writes other days, or the same rows again, does not change them. Reading the tables at these
    versions gives the same numbers again.
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
                    "another run changed it just before this run read it",
                    table=table,
                    hint="Run the job again.",
                )

    def of(self, definition: Definition, day: date) -> str:
        """JSON: table to version, for an experiment as of a day."""
        window = [definition.start_ds + timedelta(days=n) for n in range(definition.day_number(day))]
        totals, known = self._since[UNIT_TOTALS.closing_table], self._since[COVARIATES.closing_table]
        return ledger.as_json(
            {
                DEFINITIONS: self._definitions.of(definition.experiment_id),
                COVARIATES.closing_table: max(known.get(d.isoformat(), 0) for d in window),
                UNIT_TOTALS.closing_table: totals[day.isoformat()],
            }
        )
