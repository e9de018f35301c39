"""Trains reward models on all batches so far, evaluates them on held-out users, registers them (section 2.3.1)."""

from __future__ import annotations

from typing import Any

from infra.errors import TrainingRefused
from jobs.context import JobContext
from jobs.preherding.reward_data import gate_lines, pairs_so_far, progress_of, run_configuration, say_cuts
from models.reward.evaluate import Kind
from models.reward.matrix import ALL
from models.reward.registration import Model, train_and_register

TABLE = "preherding.reward_models"
MATRIX = "preherding.rm_accuracy"


def run(ctx: JobContext) -> list[Model]:
    """Train and register each kind of `training.reward_kinds`; the same pairs and configuration train nothing anew.

    Raises:
        TrainingRefused: too few pairs, users on both sides of the split, or a model that lost on an earlier batch.
        RegistrationRefused: the stored model does not give the trained one's logits.
    """
    models: list[Model] = []
    for kind in ctx.settings.training.reward_kinds:
        _refuse_regression(ctx, kind)
        chosen = run_configuration(ctx, kind)
        if (data := pairs_so_far(ctx, chosen.seed)) is None:
            continue
        name = f"reward-{kind}"
        model = train_and_register(
            ctx.settings, data, kind, chosen, progress_of(ctx, name), ctx.settings.training.alias
        )
        say_cuts(ctx, "training pairs", model.trained.fates)
        for line in gate_lines(str(model.registered), ctx.settings.training.alias, model.lacking):
            ctx.say(line)
        for cell in model.cells:
            if cell.batch == ALL:
                ctx.say(f"{name}, {cell.mode}: accuracy {cell.accuracy}; the longer response {cell.longer}")
        models.append(model)
    rows = [row for model in models for row in _rows(ctx, model)]
    ctx.write(TABLE, ctx.table_of(TABLE, rows), rows_in={ctx.days[-1]: len(rows)})
    return models


def _refuse_regression(ctx: JobContext, kind: Kind) -> None:
    """Raises TrainingRefused where the last matrix of this batch says that the model lost what the one before knew."""
    measured = ctx.read_arrow(MATRIX, columns=["model", "kind", "mode", "batch", "gate"]).to_pylist()
    name = f"RM_{ctx.days[-1]:%y%m%d}"
    lost = [row for row in measured if (row["model"], row["kind"], row["gate"]) == (name, kind, "regressed")]
    if lost:
        raise TrainingRefused(
            f"{name} ({kind}) is worse than the previous model on {lost[0]['mode']} batch {lost[0]['batch']}",
            table=MATRIX, day=ctx.days[-1],
            hint="Look at the labels of the newest batch. With more labels, run preherding.reward_matrix again.",
        )  # fmt: skip


def _rows(ctx: JobContext, model: Model) -> list[dict[str, Any]]:
    """One row a mode, of all batches together."""
    registered, trained = model.registered, model.trained
    return [
        {
            "model": registered.name, "version": registered.version, "kind": trained.kind, "mode": cell.mode,
            "trained_until": cell.trained_until, "training_pairs": sum(trained.fates.values()),
            "pairs": cell.accuracy.n, "accuracy": cell.accuracy.value, "low": cell.accuracy.low,
            "high": cell.accuracy.high, "longer_accuracy": cell.longer.value, "longer_low": cell.longer.low,
            "longer_high": cell.longer.high,
            "position_consistency": None if cell.consistency is None else cell.consistency.value,
            "source_table": model.source, "base_model": trained.base_name,
            "configuration_hash": trained.configuration.fingerprint(), "ds": ctx.days[-1],
        }
        for cell in model.cells
        if cell.batch == ALL
    ]  # fmt: skip
