"""`flywheel train`: reward models, their accuracy by batch (Table 8), and the effect of agreement (Table 9)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, err
from cli.training.figures import print_agreement, print_cells, print_matrix, print_registered
from cli.training.signals import signal_agreement, signals

if TYPE_CHECKING:
    from infra.settings import Settings

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train and register models on curated tables.\n\n"
    "Each version is registered with its lineage. "
    "A second run with the same rows and configuration trains nothing. A run that was killed "
    "continues where it stopped.",
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
        "--config",
        help="Run configuration: a TOML file, or the name of a shipped one (*-small, *-smoke, *-cluster). "
        "Default: training.pointwise_config or training.pairwise_config.",
    ),
]
Until = Annotated[
    str,
    typer.Option(help="Last batch to read: its day (2026-11-20) or its name (261120). Default: all batches."),
]
Kinds = Annotated[KindName, typer.Option(help="pointwise scores one response; pairwise compares two.")]
Text = Annotated[
    Apart,
    typer.Option(
        help="Drop training labels whose prompt, or whole pair, is a near-duplicate of one in the evaluation set."
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
    alias: Annotated[
        str,
        typer.Option(help="Alias of the new version, if it passes the settings candidate.*. Empty: none."),
    ] = "candidate",
    evaluate_on: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Also evaluate on this JSONL file: context, response_a, response_b, winner."
        ),
    ] = None,
    format: Output = Format.table,
) -> None:
    """Train a reward model on all batches up to a date, evaluate it, and register it.

    Reads annotation.preferences and evaluates on held-out users. Also shows the accuracy of always choosing the
    longer response. Ties are not counted. Registers reward-pointwise or reward-pairwise. The alias moves to the version
    only if it passes the settings of the section candidate: noise is no candidate.

    \b
    Example:
      flywheel train reward --kind pairwise --until 260118
    """
    from infra.settings import load_settings

    settings = load_settings()
    trained = run_training(
        settings, "preherding.reward", until, table, alias=alias, apart=apart.value, **_of_kind(kind, config)
    )
    if not trained:
        raise typer.Exit(1)
    (model,) = trained
    cells = list(model.cells)
    if evaluate_on is not None:
        from models.reward.external import read_pairs, report

        for other in report(model.trained, {evaluate_on.stem: read_pairs(evaluate_on)}):
            cells.append(other.cell(cells[-1].model, cells[-1].trained_until))
            if other.too_long:
                err.print(f"{other.name}: {other.too_long} pairs are too long for the model.")
    print_cells(cells, format)
    registered = model.registered
    print_registered(registered, alias, model.lacking)
    err.print(
        f"Next: flywheel lineage {f'{registered.name}@{registered.alias}' if registered.alias else registered}"
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

    Writes to preherding.rm_accuracy. Exit code 1 if a model is worse than the previous one on some batch: the whole
    interval of the change is below -0.02.

    \b
    Example:
      flywheel train matrix --kind pointwise
    """
    from infra.settings import load_settings

    models = run_training(
        load_settings(), "preherding.reward_matrix", until, table, apart=apart.value, **_of_kind(kind, config)
    )
    print_matrix([cell for model in models for cell in model.cells], format)
    err.print(f"Written to preherding.rm_accuracy. Next: flywheel train reward --kind {kind.value}")
    raise typer.Exit(1 if any(model.regressed for model in models) else 0)


@train_app.command()
def agreement(
    table: Table = _TABLE,
    until: Until = "",
    apart: Text = Apart.prompt,
    reviews: Annotated[int, typer.Option(min=2, help="Minimum number of labels per pair.")] = 3,
    pointwise: Annotated[
        str,
        typer.Option(help="Run configuration of the pointwise model. Default: training.pointwise_config."),
    ] = "",
    pairwise: Annotated[
        str, typer.Option(help="Run configuration of the pairwise model. Default: training.pairwise_config.")
    ] = "",
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

    configs = {"pointwise_config": pointwise, "pairwise_config": pairwise}
    lines = run_training(
        load_settings(), "preherding.agreement", until, table, apart=apart.value, agreement_reviews=reviews,
        reward_kinds=("pointwise", "pairwise"), **{name: config for name, config in configs.items() if config},
    )  # fmt: skip
    print_agreement(lines, format)


def run_training(settings: Settings, job: str, until: str, table: str, **training: Any) -> Any:
    """Run a training job on all batches up to one, with some settings of the section `training` replaced.

    Returns what the job returns. It runs also when nothing is due: training finds its finished run, and the command has
    figures to print.
    """
    from infra.lake import Lake, ledger
    from infra.settings import parse_day
    from jobs.runner import run_job

    name, _, version = table.partition("@")
    if name != _TABLE or (version and not version.isdecimal()):
        raise typer.BadParameter(f"--table must be {_TABLE}, or {_TABLE}@12 for one version of it")
    days = ledger.days_run(Lake.of(settings), _TABLE, _TABLE)
    if not until and not days:
        from infra.errors import UpstreamMissing

        raise UpstreamMissing(
            "no batch of judged pairs has been processed yet", table=_TABLE,
            hint="Import pairs (flywheel preferences import --help), then: flywheel run annotation.preferences",
        )  # fmt: skip
    last = parse_day(until) if until else max(days)
    chosen = settings.model_copy(update={"training": settings.training.model_copy(update=training)})
    versions = {_TABLE: int(version)} if version else None
    return run_job(chosen, job, [last], force=True, versions=versions).result


def _of_kind(kind: KindName, config: str) -> dict[str, Any]:
    name = f"{kind.value}_config"
    return {"reward_kinds": (kind.value,)} | ({name: config} if config else {})
