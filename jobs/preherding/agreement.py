"""Table 9: the effect of training and evaluating on pairs on which all annotators agree."""

from __future__ import annotations

from functools import partial

from jobs.context import JobContext
from jobs.preherding.reward_data import pairs_so_far, progress_of, run_configuration
from models.reward.agreement import Line, agreement
from models.reward.registration import folder_of_runs
from models.training.base import base_model

TABLE = "preherding.agreement"


def run(ctx: JobContext) -> list[Line]:
    """Train and judge on each way to use several labels a pair, for each kind of `training.reward_kinds`.

    Raises:
        TrainingRefused: no pair has so many labels on one of the sides.
    """
    training = ctx.settings.training
    configurations = {kind: run_configuration(ctx, kind) for kind in training.reward_kinds}
    data = pairs_so_far(ctx, next(iter(configurations.values())).seed)
    lines: list[Line] = []
    if data is not None:
        lines = agreement(
            data.rows, data.held, configurations, base_model(ctx.settings), folder_of_runs(ctx.settings),
            training.agreement_reviews, partial(progress_of, ctx),
        )  # fmt: skip
    rows = [
        {
            "kind": line.kind, "training_set": line.training, "reviews": training.agreement_reviews,
            "labels": line.labels, "single_pairs": line.single.n, "single_accuracy": line.single.value,
            "single_low": line.single.low, "single_high": line.single.high, "agreed_pairs": line.agreed.n,
            "agreed_accuracy": line.agreed.value, "agreed_low": line.agreed.low,
            "agreed_high": line.agreed.high, "longer_accuracy": line.longer.value,
            "source_table": data.source if data else "", "configuration_hash": configurations[line.kind].fingerprint(),
            "ds": ctx.days[-1],
        }
        for line in lines
    ]  # fmt: skip
    ctx.write(TABLE, ctx.table_of(TABLE, rows), rows_in={ctx.days[-1]: len(rows)})
    return lines
