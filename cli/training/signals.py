"""`flywheel train signals`: user-signal models from labels to registered versions, and what they agree with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import Format, err, print_rows
from infra.settings import load_settings, parse_days

if TYPE_CHECKING:
    from models.signals.evaluation import Evaluation
    from models.signals.ranking import Figure
    from models.signals.registration import Outcome
    from models.signals.rows import SignalRows
    from models.training.callbacks import Progress

_MOST_ON_CPU = 1_500


class Signal(StrEnum):
    """Table 2 of the paper."""

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
        list[Signal] | None, typer.Option(help="Which; may be given again. Default: all five.")
    ] = None,
    days: Annotated[
        str | None, typer.Option(help="Dates of the responses: 2026-10-01..2026-11-20; default all.")
    ] = None,
    config: Annotated[
        str, typer.Option("--config", help="Run configuration: a TOML file, or smoke, cluster, cluster-70b.")
    ] = "smoke",
    most: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Most training rows of a signal; 0: all. Default: {_MOST_ON_CPU} without GPUs."
        ),
    ] = None,
    calibration: Annotated[
        Kind, typer.Option(help="isotonic wants thousands of calibration rows.")
    ] = Kind.platt,
    pin: Annotated[
        list[str] | None, typer.Option(help="stage.table@12: read that version; may be given again.")
    ] = None,
    alias: Annotated[str, typer.Option(help="Alias that new versions get; empty: none.")] = "candidate",
    format: Annotated[Format, typer.Option("--format", help="Output.")] = Format.table,
) -> None:
    """Train classifiers of what users do after a response (equations 6 and 7) and register each as signal-NAME.

    Labels that nobody could see are left out, not counted as a no. A fifth of the train users calibrates, evaluation
    users judge, beside a length-only and a sentiment-only baseline; AUC by job to be done says which cells are too
    small. The biases of section 3.5.5 are measured in the predictions: these models may rank candidates, and are
    refused as rewards.

    Example: flywheel train signals --signal continued --signal thumb_up --days 2026-11-01..2026-11-20
    """
    from models.reward.registration import memory_plan
    from models.signals.registration import Job, train_and_register
    from models.signals.rows import signal_rows
    from models.training.configuration import configuration

    settings = load_settings()
    chosen = configuration(f"signals-{config}" if config in ("smoke", "cluster", "cluster-70b") else config)
    plan = memory_plan(settings, chosen)
    if chosen.cluster.gpus:
        for line in plan.lines():
            err.print(line, highlight=False)
    most_rows = most if most is not None else (0 if chosen.cluster.gpus else _MOST_ON_CPU)
    job = Job(chosen, parse_days(days) if days else (), most_rows, calibration.value, alias)
    names = [one.value for one in signal or Signal]
    with signal_rows(settings, job.days, _pinned(pin or [])) as rows:
        _say_rows(rows)
        outcomes = list(train_and_register(settings, rows, names, job, _reporter))
    lines = [line for outcome in outcomes for line in _lines(outcome)]
    if lines:
        print_rows(lines, list(lines[0]), format)
    _say_outcomes(outcomes, alias)
    raise typer.Exit(0 if any(one.registered for one in outcomes) else 1)


def signal_agreement(
    reward: Annotated[str, typer.Option(help="A pointwise reward model: NAME@ALIAS or NAME/3.")] = (
        "reward-pointwise@candidate"
    ),
    signal: Annotated[str, typer.Option(help="A signal model.")] = "signal-thumb-up@candidate",
    days: Annotated[str | None, typer.Option(help="Dates of the responses; default all.")] = None,
    format: Annotated[Format, typer.Option("--format", help="Output.")] = Format.table,
) -> None:
    """Does a signal model say what the preference model says? Both score the responses to evaluation users.

    The rank correlation stands on the reward model's version as a tag. Rewards of different prompts are not on one
    scale: read it as the weak test that it is, and the trend over served versions beside it.

    Example: flywheel train signal-agreement --signal signal-continued@candidate
    """
    from models.signals.correlation import compare
    from models.signals.rows import signal_rows

    settings = load_settings()
    with signal_rows(settings, parse_days(days) if days else ()) as rows:
        found = compare(settings, reward, signal, rows)
    lines = [
        {"what": "rank correlation", "figure": told(found.spearman, "too few"), "reward": ""},
        *(
            {
                "what": f"mean of {policy}",
                "figure": told(score, "too few"),
                "reward": told(preferred, "too few"),
            }
            for policy, score, preferred in found.trend
        ),
    ]
    print_rows(lines, list(lines[0]), format)
    err.print(f"{found.rows} responses to {found.users} users; intervals are over users.")


def _pinned(pins: list[str]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for pin in pins:
        table, _, version = pin.partition("@")
        if not version.isdecimal():
            raise typer.BadParameter("--pin is stage.table@VERSION")
        found[table] = int(version)
    return found


def _say_rows(rows: SignalRows) -> None:
    tables = ", ".join(str(one) for one in rows.snapshots)
    err.print(f"Reading {tables}.", highlight=False)
    told = ", ".join(f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in rows.counts.items())
    err.print(f"Labelled responses: {told}.", highlight=False)


def _reporter(signal: str) -> Progress:
    def told(step: int, steps: int, loss: float) -> None:
        err.print(f"{signal}: step {step} of {steps}, loss {loss:.3f}", highlight=False)

    return told


def _lines(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """One line a cell."""
    if outcome.trained is None:
        return
    found = outcome.trained.evaluation
    for cell in found.cells:
        is_all = cell.cell == "all"
        yield {
            "signal": found.signal, "cell": cell.cell, "rows": cell.rows, "happened": cell.happened,
            "users": cell.users, "auc": told(cell.auc, "too few"), "pr auc": told(cell.precision, "too few"),
            "over length": told(found.gains["length_only"]) if is_all else "",
            "over sentiment": told(found.gains["sentiment_only"]) if is_all else "",
            "ece": f"{found.calibrated.error:.3f}" if is_all else "",
            "ece by chance": f"{found.calibrated.by_chance:.3f}" if is_all else "",
        }  # fmt: skip


def told(figure: Figure, nothing: str = "") -> str:
    """`.712 [.690, .734]`."""
    if figure.value is None or figure.low is None or figure.high is None:
        return nothing
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _say_outcomes(outcomes: list[Outcome], alias: str) -> None:
    for one in outcomes:
        if one.trained is None:
            err.print(f"[yellow]not trained[/yellow]: {one.refused}", highlight=False, soft_wrap=True)
            continue
        _say_biases(one.trained.evaluation)
        err.print(f"Registered {one.registered}{f' as {alias}' if alias else ''}.", highlight=False)
    err.print(
        "Users, not responses, are resampled for the intervals. signal-continued and signal-thumb-up may rank "
        "candidates of rejection sampling; all five are refused as RL rewards unless "
        "signal_models.reward_overrides names the version, a person, a reason and an end.",
        soft_wrap=True,
    )
    done = next((one.registered for one in outcomes if one.registered), None)
    if done is not None:
        err.print(
            f"Next: flywheel lineage {done.name}@{alias}" if alias else f"Next: flywheel lineage {done}"
        )


def _say_biases(found: Evaluation) -> None:
    """The biases that show, in predictions and in the labels that they were learnt from."""
    from models.signals.ranking import Figure

    shown = [line for line in found.bias if "present" in (line.predicted.status, line.labelled.status)]
    for line in shown:
        sides = [
            f"{side} {told(Figure(one.estimate, one.low, one.high))}{' (present)' * (one.status == 'present')}"
            for side, one in (("predictions", line.predicted), ("labels", line.labelled))
            if one.estimate is not None
        ]
        err.print(
            f"{found.signal}, {line.predicted.bias}: {'; '.join(sides)}", highlight=False, soft_wrap=True
        )
    if not shown:
        err.print(
            f"{found.signal}: none of the biases of section 3.5.5 is shown, or there is too little to tell."
        )
