"""Training at the command line: reward models, their matrix by batch, what agreement of annotators is worth."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Format, err
from cli.training.figures import print_agreement, print_cells, print_matrix
from cli.training.signals import signal_agreement, signals
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from models.reward.data import Data
    from models.training.callbacks import Progress
    from models.training.configuration import Configuration

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train models from curated tables and register them with their lineage. The same rows and configuration "
    "again train nothing; a run that was killed goes on where it was.",
)

train_app.command()(signals)
train_app.command()(signal_agreement)


class Apart(StrEnum):
    """What of an evaluation pair may not be met in training."""

    prompt = "prompt"
    whole = "whole"


class KindName(StrEnum):
    """The two preference models of section 2.3.1."""

    pointwise = "pointwise"
    pairwise = "pairwise"


_TABLE = "annotation.preferences"
Table = Annotated[str, typer.Option(help=f"Judged pairs: stage.table, or stage.table@12; default {_TABLE}.")]
Config = Annotated[
    str,
    typer.Option("--config", help="Run configuration: a TOML file, or a shipped name (*-smoke, *-cluster)."),
]
Until = Annotated[str, typer.Option(help="YYMMDD of the last batch to read; default: all.")]
Kinds = Annotated[KindName, typer.Option(help="A score for each response, or a verdict on two at once.")]
Text = Annotated[
    Apart,
    typer.Option(
        help="Labels are left out of training whose prompt (or whole pair) is nearly one held apart."
    ),
]
Output = Annotated[Format, typer.Option("--format", help="Output.")]


@train_app.command()
def reward(
    kind: Kinds = KindName.pointwise,
    until: Until = "",
    table: Table = _TABLE,
    config: Config = "",
    apart: Text = Apart.prompt,
    alias: Annotated[str, typer.Option(help="Alias that the new version gets; empty: none.")] = "candidate",
    evaluate_on: Annotated[
        Path | None,
        typer.Option(exists=True, help="JSONL of other pairs: context, response_a, response_b, winner."),
    ] = None,
    format: Output = Format.table,
) -> None:
    """Train RM_YYMMDD on all batches up to a date, judge it on users held apart, and register it.

    Accuracy stands beside the null that prefers the longer response; a pair that people could not decide is in neither.

    Example: flywheel train reward --kind pairwise --until 260118
    """
    from models.reward.registration import memory_plan, train_and_register

    settings = load_settings()
    chosen = _configuration(kind, config)
    plan = memory_plan(settings, chosen)
    if chosen.cluster.gpus or plan.parameters > 100_000_000:
        for line in plan.lines():
            err.print(line, highlight=False)
    data = _data(settings, table, until, chosen.seed, apart)
    made = train_and_register(settings, data, kind.value, chosen, _reporter(f"reward-{kind.value}"), alias)
    _say_fits("training pairs", made.trained.fates)
    cells = list(made.cells)
    if evaluate_on is not None:
        from models.reward.external import read_pairs, report

        for other in report(made.trained, {evaluate_on.stem: read_pairs(evaluate_on)}):
            cells.append(other.cell(cells[-1].model, cells[-1].trained_until))
            if other.too_long:
                err.print(
                    f"{other.name}: {other.too_long} pairs do not fit the model's length.", highlight=False
                )
    print_cells(cells, format)
    registered = made.registered
    err.print(f"Registered {registered.name} version {registered.version}.", highlight=False)
    err.print(
        f"Next: flywheel lineage {f'{registered.name}@{alias}' if alias else registered}", highlight=False
    )


@train_app.command()
def matrix(
    kind: Kinds = KindName.pointwise,
    until: Until = "",
    table: Table = _TABLE,
    config: Config = "",
    apart: Text = Apart.prompt,
    format: Output = Format.table,
) -> None:
    """Table 8: one reward model for every batch, each asked about all batches, kept in preherding.rm_accuracy.

    Exit code 1 where a model lost what the one before it knew: the whole interval of the change below -0.02.

    Example: flywheel train matrix --kind pointwise
    """
    from infra.lake import Lake
    from models.reward.accuracy_table import store
    from models.reward.matrix import matrix as measured
    from models.reward.registration import folder_of_runs, memory_plan
    from models.training.base import base_model

    settings = load_settings()
    chosen = _configuration(kind, config)
    memory_plan(settings, chosen)
    data = _data(settings, table, until, chosen.seed, apart)
    base = chosen.base_model or base_model(settings)
    rows = measured(
        kind.value, data.training, data.evaluation, chosen, base, folder_of_runs(settings), _reporter
    )
    store(Lake.of(settings), rows, data.source)
    print_matrix([cell for row in rows for cell in row.cells], format)
    lost = [cell for row in rows for cell in row.regressed]
    for cell in lost:
        err.print(
            f"{cell.model} lost on {cell.mode} batch {cell.batch}: {cell.change.value:+.3f} "  # type: ignore[union-attr]
            "against the model before",
            highlight=False,
        )
    err.print(
        "Kept in preherding.rm_accuracy. Next: flywheel train reward --kind " + kind.value, highlight=False
    )
    raise typer.Exit(1 if lost else 0)


@train_app.command()
def agreement(
    table: Table = _TABLE,
    until: Until = "",
    apart: Text = Apart.prompt,
    reviews: Annotated[int, typer.Option(min=2, help="Least labels of a pair.")] = 3,
    pointwise: Annotated[str, typer.Option(help="Its run configuration.")] = "reward-pointwise-smoke",
    pairwise: Annotated[str, typer.Option(help="Its run configuration.")] = "reward-pairwise-smoke",
    format: Output = Format.table,
) -> None:
    """Table 9: does it pay to train on pairs on which all annotators agree, and to judge on them?

    The paper's reading: judge on agreed pairs, as the noise of single labels hides what was learnt; single labels are
    good enough to train on. Read the intervals before you say that yours shows the same.

    Example: flywheel train agreement --reviews 3
    """
    from models.reward.agreement import agreement as measured
    from models.reward.registration import folder_of_runs
    from models.training.base import base_model
    from models.training.configuration import configuration

    settings = load_settings()
    chosen = {"pointwise": configuration(pointwise), "pairwise": configuration(pairwise)}
    data = _data(settings, table, until, chosen["pointwise"].seed, apart)
    lines = measured(
        data.rows, data.held, chosen, base_model(settings), folder_of_runs(settings), reviews, _reporter  # type: ignore[arg-type]
    )  # fmt: skip
    print_agreement(lines, format)


def _configuration(kind: KindName, name: str) -> Configuration:
    from models.training.configuration import configuration

    return configuration(name or f"reward-{kind.value}-smoke")


def _data(settings: Settings, table: str, until: str, seed: int, apart: Apart) -> Data:
    from models.reward.data import open_pairs

    data = open_pairs(settings, table, until, seed, apart.value)
    err.print(f"Reading {data.source}.", highlight=False)
    for side, counts in (("training", data.training_counts), ("held apart", data.evaluation_counts)):
        told = ", ".join(f"{fate.replace('_', ' ')} {n}" for fate, n in counts.items() if n)
        err.print(f"Labels {side}: {told}.", highlight=False)
    return data


def _say_fits(what: str, fates: Mapping[str, int]) -> None:
    if cut := {fate.replace("_", " "): n for fate, n in fates.items() if n and fate != "whole"}:
        told = ", ".join(f"{n} {fate}" for fate, n in cut.items())
        err.print(f"Of {sum(fates.values())} {what}: {told} for the model's length.", highlight=False)


def _reporter(what: str) -> Progress:
    def told(step: int, steps: int, loss: float) -> None:
        err.print(f"{what}: step {step} of {steps}, loss {loss:.3f}", highlight=False)

    return told
