"""Table 8: one reward model for each batch, each evaluated on all batches; checks whether the newest one is worse."""

from __future__ import annotations

from functools import partial
from typing import Any

from jobs.context import JobContext
from jobs.preherding.reward_data import pairs_so_far, progress_of, run_configuration
from models.reward.matrix import Cell, Row, matrix
from models.reward.registration import folder_of_runs
from models.training.base import base_model

TABLE = "preherding.rm_accuracy"


def run(ctx: JobContext) -> list[Row]:
    """Train and judge the models of all batches of each kind of `training.reward_kinds`.

    A model that is worse on a batch than the model before it is reported here and refused by `preherding.reward`.

    Raises:
        TrainingRefused: there are no held-out pairs, or a pair is on both sides of the split.
    """
    models: list[Row] = []
    cells: list[dict[str, Any]] = []
    for kind in ctx.settings.training.reward_kinds:
        chosen = run_configuration(ctx, kind)
        if (data := pairs_so_far(ctx, chosen.seed)) is None:
            continue
        base = chosen.base_model or base_model(ctx.settings)
        of_kind = matrix(
            kind, data.training, data.evaluation, chosen, base, folder_of_runs(ctx.settings),
            partial(progress_of, ctx), ctx.settings.training.matrix_batches,
        )  # fmt: skip
        cells += [_row(ctx, model, cell, data.source) for model in of_kind for cell in model.cells]
        models += of_kind
    for cell in (cell for model in models for cell in model.regressed):
        change = f" by {cell.change.value:+.3f}" if cell.change else ""
        ctx.say(f"{cell.model} is worse than the previous model on {cell.mode} batch {cell.batch}{change}")
    ctx.write(TABLE, ctx.table_of(TABLE, cells), rows_in={ctx.days[-1]: len(cells)})
    return models


def _row(ctx: JobContext, model: Row, cell: Cell, source: str) -> dict[str, Any]:
    trained, change = model.trained, cell.change
    return {
        "model": cell.model, "kind": trained.kind, "mode": cell.mode, "batch": cell.batch,
        "zero_shot": cell.zero_shot, "pairs": cell.accuracy.n, "correct": cell.accuracy.correct,
        "accuracy": cell.accuracy.value, "low": cell.accuracy.low, "high": cell.accuracy.high,
        "longer_accuracy": cell.longer.value,
        "position_consistency": None if cell.consistency is None else cell.consistency.value,
        "change": None if change is None else change.value,
        "change_low": None if change is None else change.low,
        "change_high": None if change is None else change.high,
        "gate": cell.gate, "training_pairs": model.labels, "source_table": source,
        "base_model": trained.base_name, "configuration_hash": trained.configuration.fingerprint(),
        "ds": ctx.days[-1],
    }  # fmt: skip
