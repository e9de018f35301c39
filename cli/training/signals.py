"""`flywheel train signals` and `signal-agreement`: train user-signal models, and compare them with reward models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, err, print_rows, styled
from cli.training.figures import print_registered

if TYPE_CHECKING:
    from models.signals.evaluation import Evaluation
    from models.signals.ranking import Figure
    from models.signals.registration import Outcome

_MOST_ON_CPU = 1_500


class Signal(StrEnum):
    """The user signals of Table 2."""

    continued = "continued"
    love = "love"
    thumb_up = "thumb_up"
    thumb_down = "thumb_down"
    feedback = "feedback"


class Kind(StrEnum):
    """How log-odds become probabilities."""

    platt = "platt"
    isotonic = "isotonic"


def signals(
    signal: Annotated[
        list[Signal] | None, typer.Option(help="Signal to train; repeat for several. Default: all five.")
    ] = None,
    days: Annotated[
        str | None, typer.Option(help="Days of the responses, such as 2026-10-01..2026-11-20. Default: all.")
    ] = None,
    config: Annotated[
        str,
        typer.Option("--config", help="Run configuration: a TOML file, or smoke, cluster or cluster-70b."),
    ] = "smoke",
    most: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Maximum training rows per signal; 0: all. Default: {_MOST_ON_CPU} without GPUs."
        ),
    ] = None,
    calibration: Annotated[
        Kind, typer.Option(help="Calibration method. isotonic needs thousands of rows.")
    ] = Kind.platt,
    pin: Annotated[
        list[str] | None,
        typer.Option(help="Read this version, as stage.table@12; repeat for several tables."),
    ] = None,
    alias: Annotated[
        str, typer.Option(help="Alias of the new versions that pass the settings candidate.*. Empty: none.")
    ] = "candidate",
    format: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.table,
) -> None:
    """Train models that predict what a user does after a response, and register each as signal-NAME.

    Reads signals.labels, signals.features and curation.screened (equations 6 and 7). Unknown labels are left out. A
    fifth of the training users is used for calibration. Evaluation users give AUC by job to be done, beside a
    length-only and a sentiment-only baseline, and the biases of section 3.5.5. These models may rank candidates; they
    are refused as rewards.

    \b
    Example:
      flywheel train signals --signal continued --signal thumb_up --days 2026-11-01..2026-11-20
    """
    from infra.lake import Lake, ledger
    from infra.settings import load_settings, parse_days
    from jobs.runner import run_job

    settings = load_settings()
    shipped = config in ("smoke", "cluster", "cluster-70b")
    chosen = {
        "signals_config": f"signals-{config}" if shipped else config, "signal_rows": most, "alias": alias,
        "signals": tuple(s.value for s in signal or Signal), "signal_calibration": calibration.value,
    }  # fmt: skip
    training = settings.training.model_copy(update=chosen)
    labelled = sorted(ledger.days_run(Lake.of(settings), "signals.labels", "signals.labels"))
    window = parse_days(days) if days else labelled
    if not window:
        raise typer.BadParameter("signals.labels has no day yet. Run first: flywheel run signals.labels")
    outcomes: list[Outcome] = run_job(  # type: ignore[assignment]
        settings.model_copy(update={"training": training}), "preherding.signals", window, force=True,
        versions=_pinned(pin or []),
    ).result  # fmt: skip
    lines = [line for outcome in outcomes for line in _lines(outcome)]
    if lines:
        print_rows(lines, list(lines[0]), format)
    _print_outcomes(outcomes, alias)
    raise typer.Exit(0 if any(outcome.registered for outcome in outcomes) else 1)


def signal_agreement(
    reward: Annotated[str, typer.Option(help="Pointwise reward model: NAME@ALIAS or NAME/3.")] = (
        "reward-pointwise@candidate"
    ),
    signal: Annotated[
        str, typer.Option(help="Signal model: NAME@ALIAS or NAME/3.")
    ] = "signal-thumb-up@candidate",
    days: Annotated[str | None, typer.Option(help="Days of the responses. Default: all.")] = None,
    format: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.table,
) -> None:
    """Compare a signal model with a reward model on the responses to evaluation users.

    Prints their rank correlation and their means for each served model version, and tags the reward model's version
    with the correlation. It is a weak test: rewards of different prompts are not on the same scale.

    \b
    Example:
      flywheel train signal-agreement --signal signal-continued@candidate
    """
    from infra.settings import load_settings, parse_days
    from models.signals.correlation import compare
    from models.signals.rows import signal_rows

    settings = load_settings()
    with signal_rows(settings, parse_days(days) if days else ()) as rows:
        comparison = compare(settings, reward, signal, rows)
    lines = [
        {"what": "rank correlation", "figure": figure_text(comparison.spearman, "too few"), "reward": ""},
        *(
            {
                "what": f"mean of {policy}",
                "figure": figure_text(score, "too few"),
                "reward": figure_text(preferred, "too few"),
            }
            for policy, score, preferred in comparison.trend
        ),
    ]
    print_rows(lines, list(lines[0]), format)
    err.print(f"{comparison.rows:,} responses to {comparison.users:,} users. Intervals are over users.")


def _pinned(pins: list[str]) -> Mapping[str, int]:
    versions: dict[str, int] = {}
    for pin in pins:
        table, _, version = pin.partition("@")
        if not version.isdecimal():
            raise typer.BadParameter("--pin must be stage.table@VERSION")
        versions[table] = int(version)
    return versions


def _lines(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """One row per cell: all rows of a signal, or one job to be done."""
    if outcome.trained is None:
        return
    evaluation = outcome.trained.evaluation
    for cell in evaluation.cells:
        is_all = cell.cell == "all"
        yield {
            "signal": evaluation.signal, "cell": cell.cell, "rows": cell.rows, "happened": cell.happened,
            "users": cell.users, "auc": figure_text(cell.auc, "too few"),
            "pr auc": figure_text(cell.precision, "too few"),
            "over length": figure_text(evaluation.gains["length_only"]) if is_all else "",
            "over sentiment": figure_text(evaluation.gains["sentiment_only"]) if is_all else "",
            "ece": f"{evaluation.calibrated.error:.3f}" if is_all else "",
            "ece by chance": f"{evaluation.calibrated.by_chance:.3f}" if is_all else "",
        }  # fmt: skip


def figure_text(figure: Figure, nothing: str = "") -> str:
    """`.712 [.690, .734]`."""
    if figure.value is None or figure.low is None or figure.high is None:
        return nothing
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _print_outcomes(outcomes: list[Outcome], alias: str) -> None:
    for outcome in outcomes:
        if outcome.trained is None:
            err.print(styled(("not trained", "yellow"), f": {outcome.refused}"))
            continue
        _print_biases(outcome.trained.evaluation)
        print_registered(outcome.registered, alias, outcome.lacking)
    err.print(
        "Intervals resample users, not responses. signal-continued and signal-thumb-up may rank "
        "candidates in rejection sampling. None of the five may be used as an RL reward, unless "
        "signal_models.reward_overrides names the version, a person, a reason and an end date.",
    )
    first = next((outcome.registered for outcome in outcomes if outcome.registered), None)
    if first is not None:
        err.print(f"Next: flywheel lineage {f'{first.name}@{first.alias}' if first.alias else first}")


def _print_biases(evaluation: Evaluation) -> None:
    """Print the biases that are present in the predictions or in the labels that they were learnt from."""
    from models.signals.ranking import Figure

    biased = [line for line in evaluation.bias if "present" in (line.predicted.status, line.labelled.status)]
    for line in biased:
        sides = [
            f"{side} {figure_text(Figure(statistic.estimate, statistic.low, statistic.high))}"
            f"{' (present)' * (statistic.status == 'present')}"
            for side, statistic in (("predictions", line.predicted), ("labels", line.labelled))
            if statistic.estimate is not None
        ]
        err.print(f"{evaluation.signal}, {line.predicted.bias}: {'; '.join(sides)}")
    if not biased:
        err.print(f"{evaluation.signal}: no bias of section 3.5.5 was found, or there is too little data.")
