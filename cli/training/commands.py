"""`flywheel train`: reward models, their accuracy by batch (Table 8), and the effect of agreement (Table 9)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Format, counts_text, err, progress_printer
from cli.training.figures import print_agreement, print_cells, print_matrix
from cli.training.signals import signal_agreement, signals

if TYPE_CHECKING:
    from infra.settings import Settings
    from models.reward.data import Data
    from models.training.configuration import Configuration

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train and register models on curated tables.\n\n"
    "Each version is registered with its lineage. "
    "A second run with the same rows and configuration trains nothing. A run that was killed continues where it was.",
)

train_app.command()(signals)
train_app.command()(signal_agreement)


class Apart(StrEnum):
    """What makes a training label too similar to an evaluation pair: its prompt, or the whole pair."""

    prompt = "prompt"
    whole = "whole"


class KindName(StrEnum):
    """The two preference models of section 2.3.1."""

    pointwise = "pointwise"
    pairwise = "pairwise"


_TABLE = "annotation.preferences"
Table = Annotated[str, typer.Option(help="Judged pairs: stage.table, or stage.table@12.")]
Config = Annotated[
    str,
    typer.Option(
        "--config", help="Run configuration: a TOML file, or the name of a shipped one (*-smoke, *-cluster)."
    ),
]
Until = Annotated[str, typer.Option(help="Last batch to read, as YYMMDD. Default: all batches.")]
Kinds = Annotated[KindName, typer.Option(help="pointwise scores one response; pairwise compares two.")]
Text = Annotated[
    Apart,
    typer.Option(
        help="Drop training labels whose prompt, or whole pair, nearly repeats one of the evaluation set."
    ),
]
Output = Annotated[Format, typer.Option("--format", help="Output format.")]


@train_app.command()
def reward(
    kind: Kinds = KindName.pointwise,
    until: Until = "",
    table: Table = _TABLE,
    config: Config = "",
    apart: Text = Apart.prompt,
    alias: Annotated[str, typer.Option(help="Alias of the new version. Empty: none.")] = "candidate",
    evaluate_on: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Also evaluate on this JSONL file: context, response_a, response_b, winner."
        ),
    ] = None,
    format: Output = Format.table,
) -> None:
    """Train a reward model on all batches up to a date, evaluate it, and register it.

    Reads annotation.preferences and evaluates on users that it did not train on. The accuracy is shown beside that of
    choosing the longer response; ties count in neither. Registers reward-pointwise or reward-pairwise.

    \b
    Example:
      flywheel train reward --kind pairwise --until 260118
    """
    from infra.settings import load_settings
    from models.reward.registration import memory_plan, train_and_register

    settings = load_settings()
    configuration = _configuration(kind, config)
    plan = memory_plan(settings, configuration)
    if configuration.cluster.gpus or plan.parameters > 100_000_000:
        for line in plan.lines():
            err.print(line, highlight=False)
    data = _open_data(settings, table, until, configuration.seed, apart)
    name = f"reward-{kind.value}"
    result = train_and_register(settings, data, kind.value, configuration, progress_printer(name), alias)
    _print_cuts("training pairs", result.trained.fates)
    cells = list(result.cells)
    if evaluate_on is not None:
        from models.reward.external import read_pairs, report

        for other in report(result.trained, {evaluate_on.stem: read_pairs(evaluate_on)}):
            cells.append(other.cell(cells[-1].model, cells[-1].trained_until))
            if other.too_long:
                err.print(
                    f"{other.name}: {other.too_long} pairs are too long for the model.", highlight=False
                )
    print_cells(cells, format)
    registered = result.registered
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
    """Train one reward model per batch and evaluate each on all batches (Table 8).

    Writes to preherding.rm_accuracy. Exit code 1 when a model is worse than the one before it on some batch: the whole
    interval of the change is below -0.02.

    \b
    Example:
      flywheel train matrix --kind pointwise
    """
    from infra.lake import Lake
    from infra.settings import load_settings
    from models.reward.accuracy_table import store
    from models.reward.matrix import matrix as train_matrix
    from models.reward.registration import folder_of_runs, memory_plan
    from models.training.base import base_model

    settings = load_settings()
    configuration = _configuration(kind, config)
    memory_plan(settings, configuration)
    data = _open_data(settings, table, until, configuration.seed, apart)
    base = configuration.base_model or base_model(settings)
    rows = train_matrix(
        kind.value, data.training, data.evaluation, configuration, base, folder_of_runs(settings),
        progress_printer,
    )  # fmt: skip
    store(Lake.of(settings), rows, data.source)
    print_matrix([cell for row in rows for cell in row.cells], format)
    regressed = [cell for row in rows for cell in row.regressed]
    for cell in regressed:
        err.print(
            f"{cell.model} is worse than the model before it on {cell.mode} batch {cell.batch}: "
            f"{cell.change.value:+.3f}",  # type: ignore[union-attr]
            highlight=False,
        )
    err.print(
        f"Written to preherding.rm_accuracy. Next: flywheel train reward --kind {kind.value}", highlight=False
    )
    raise typer.Exit(1 if regressed else 0)


@train_app.command()
def agreement(
    table: Table = _TABLE,
    until: Until = "",
    apart: Text = Apart.prompt,
    reviews: Annotated[int, typer.Option(min=2, help="Least number of labels of a pair.")] = 3,
    pointwise: Annotated[
        str, typer.Option(help="Run configuration of the pointwise model.")
    ] = "reward-pointwise-smoke",
    pairwise: Annotated[
        str, typer.Option(help="Run configuration of the pairwise model.")
    ] = "reward-pairwise-smoke",
    format: Output = Format.table,
) -> None:
    """Compare training and evaluation on single labels with pairs on which all annotators agree (Table 9).

    The paper found that single labels are good enough to train on, and that agreed pairs are better to evaluate on.
    Check the intervals before you conclude the same from yours.

    \b
    Example:
      flywheel train agreement --reviews 3
    """
    from infra.settings import load_settings
    from models.reward.agreement import agreement as compare
    from models.reward.registration import folder_of_runs
    from models.training.base import base_model
    from models.training.configuration import configuration

    settings = load_settings()
    configurations = {"pointwise": configuration(pointwise), "pairwise": configuration(pairwise)}
    data = _open_data(settings, table, until, configurations["pointwise"].seed, apart)
    lines = compare(
        data.rows, data.held, configurations, base_model(settings), folder_of_runs(settings), reviews,  # type: ignore[arg-type]
        progress_printer,
    )  # fmt: skip
    print_agreement(lines, format)


def _configuration(kind: KindName, name: str) -> Configuration:
    from models.training.configuration import configuration

    return configuration(name or f"reward-{kind.value}-smoke")


def _open_data(settings: Settings, table: str, until: str, seed: int, apart: Apart) -> Data:
    from models.reward.data import open_pairs

    data = open_pairs(settings, table, until, seed, apart.value)
    err.print(f"Reading {data.source}.", highlight=False)
    for side, counts in (("training", data.training_counts), ("evaluation", data.evaluation_counts)):
        err.print(f"Labels for {side}: {counts_text(counts)}.", highlight=False)
    return data


def _print_cuts(name: str, counts: Mapping[str, int]) -> None:
    """Print how many rows were shortened or dropped because they are too long for the model."""
    if cut := {fate: count for fate, count in counts.items() if count and fate != "whole"}:
        err.print(
            f"Too long for the model, of {sum(counts.values()):,} {name}: {counts_text(cut)}.",
            highlight=False,
        )
