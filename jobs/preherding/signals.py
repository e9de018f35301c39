"""Trains models of what users do after a response, evaluates them on held-out users, registers them (section 2.3.2)."""

from __future__ import annotations

from functools import partial
from typing import Any

from infra.errors import TooFewLabels
from jobs.context import JobContext
from jobs.preherding.reward_data import counts_text, gate_lines, progress_of
from models.reward.registration import memory_plan
from models.signals.ranking import Figure
from models.signals.registration import Job as Training
from models.signals.registration import Outcome, train_and_register
from models.signals.rows import USED, signal_rows
from models.training.configuration import configuration

TABLE = "preherding.signal_models"
MOST_ON_CPU = 1_500
"""Training rows of a signal where there is no GPU and `training.signal_rows` says nothing else."""
_READ = ("signals.labels", "signals.features", "curation.screened", "curation.screened_characters")


def run(ctx: JobContext) -> list[Outcome]:
    """Train and register the signals of `training.signals` on the window; a signal with too few labels is told.

    A window in which no response can be used trains nothing, and says so.

    Raises:
        RegistrationRefused: a stored model does not give the trained one's probabilities.
    """
    rules = ctx.settings.training
    chosen = configuration(rules.signals_config)
    plan = memory_plan(ctx.settings, chosen)
    for line in plan.lines() if chosen.cluster.gpus else ():
        ctx.say(line)
    most = rules.signal_rows if rules.signal_rows is not None else 0 if chosen.cluster.gpus else MOST_ON_CPU
    training = Training(chosen, ctx.days, most, rules.signal_calibration, rules.alias)
    versions = {table: ctx.version_read(table) for table in _READ}
    outcomes: list[Outcome] = []
    used = 0
    try:
        with signal_rows(ctx.settings, ctx.days, versions) as rows:
            ctx.say(f"reading {', '.join(str(snapshot) for snapshot in rows.snapshots)}")
            ctx.say(f"labelled responses: {counts_text(rows.counts)}")
            used = rows.counts[USED]
            outcomes += train_and_register(
                ctx.settings, rows, rules.signals, training, partial(progress_of, ctx)
            )
    except TooFewLabels as error:
        ctx.say(f"nothing is trained: {error.what}")
    for outcome in outcomes:
        if outcome.trained is None:
            ctx.say(f"{outcome.signal}: not trained: {outcome.refused}")
        for line in gate_lines(f"{outcome.registered}", rules.alias, outcome.lacking):
            ctx.say(line)
    cells = [row for outcome in outcomes for row in _rows(ctx, outcome, chosen.fingerprint())]
    ctx.write(TABLE, ctx.table_of(TABLE, cells), rows_in={ctx.days[-1]: used})
    return outcomes


def _rows(ctx: JobContext, outcome: Outcome, configuration_hash: str) -> list[dict[str, Any]]:
    """One row a cell; gains and calibration are of all responses."""
    if outcome.trained is None or outcome.registered is None:
        return []
    evaluation = outcome.trained.evaluation
    overall = {
        **_figure("gain_over_length", evaluation.gains["length_only"]),
        "gain_over_sentiment": evaluation.gains["sentiment_only"].value,
        "calibration_error": evaluation.calibrated.error,
    }
    return [
        {
            "model": outcome.registered.name, "version": outcome.registered.version, "signal": outcome.signal,
            "cell": cell.cell, "rows": cell.rows, "happened": cell.happened, "users": cell.users,
            **_figure("auc", cell.auc), "pr_auc": cell.precision.value,
            **(overall if cell.cell == "all" else {}),
            "source_table": f"signals.labels@{ctx.version('signals.labels')}",
            "configuration_hash": configuration_hash, "ds": ctx.days[-1],
        }
        for cell in evaluation.cells
    ]  # fmt: skip


def _figure(name: str, figure: Figure) -> dict[str, float | None]:
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
