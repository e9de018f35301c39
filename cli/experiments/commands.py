"""`flywheel experiment`: declare, plan, list and check experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import Format, err, out, print_rows, styled

experiment_app = typer.Typer(
    no_args_is_help=True,
    help="Declare, plan and check A/B experiments.\n\n"
    "A definition states what is tested, on which users and for how long. Declare it before the "
    "start: you cannot change it afterwards. `flywheel readout` shows the results.",
)

Experiment = Annotated[str, typer.Argument(help="experiment_id. `flywheel experiment list` shows them.")]
DefinitionFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="Definition in TOML. See docs/experiments.md.")
]


@experiment_app.command()
def declare(file: DefinitionFile) -> None:
    """Declare an experiment from its definition file.

    Writes to experiments.definitions. Fails if the experiment has started and the definition has changed.

    \b
    Example:
      flywheel experiment declare exp-001.toml
    """
    from infra.settings import load_settings
    from jobs.experiments.definition import declare as put_in_force
    from jobs.experiments.definition import read_definition

    definition = read_definition(file)
    result = put_in_force(load_settings(), definition)
    out.print(f"{definition.experiment_id} ({definition.start_ds}..{definition.end_ds}): {result}")


@experiment_app.command()
def plan(
    file: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Definition of the experiment to plan. Uses past traffic in the lake.",
        ),
    ] = None,
    mean: Annotated[float | None, typer.Option(help="Without FILE: mean of the metric over users.")] = None,
    sd: Annotated[float | None, typer.Option(help="Without FILE: standard deviation over users.")] = None,
    users: Annotated[
        int | None, typer.Option(help="Users in each arm. Default: past users times the arm's share.")
    ] = None,
    lift: Annotated[
        float | None,
        typer.Option(help="Show how many users you need to detect this lift, in percent. Negative: a fall."),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(help="Without FILE: the same for a difference of the means, in the metric's unit."),
    ] = None,
    power: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Probability of detecting a true lift.")
    ] = 0.8,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.table,
) -> None:
    """Show the smallest lift that a planned experiment can detect.

    Reads past traffic (traffic.events) for the definition in FILE, or takes a mean and a standard deviation.

    \b
    Examples:
      flywheel experiment plan exp-001.toml
      flywheel experiment plan --mean 12 --sd 20 --users 50000
      flywheel experiment plan --mean 12 --sd 20 --lift -5
    """
    from cli.experiments.plan import Wanted, from_definition, from_numbers
    from infra.settings import load_settings

    wanted = Wanted(users, lift, effect, power)
    asked = (users, lift, effect) != (None, None, None)
    if file is not None and mean is None and sd is None:
        rows, reasons = from_definition(load_settings(), file, wanted)
    elif file is None and mean is not None and sd is not None and asked:
        rows, reasons = from_numbers(mean, sd, wanted)
    else:
        raise typer.BadParameter("give FILE, or --mean and --sd with --users, --lift or --effect")
    print_rows(rows, list(rows[0]), format)
    for reason in reasons:
        err.print(reason)


@experiment_app.command("list")
def list_(format: Annotated[Format, typer.Option(help="Output format.")] = Format.table) -> None:
    """List declared experiments, and exposures without a definition.

    \b
    Example:
      flywheel experiment list
    """
    from cli.experiments.check import overview
    from infra.settings import load_settings

    rows = overview(load_settings())
    if not rows:
        err.print(
            "No experiment is declared or exposed yet. To declare one: flywheel experiment declare FILE"
        )
        return
    print_rows(rows, list(rows[0]), format)


@experiment_app.command()
def check(experiment: Experiment) -> None:
    """Check whether an experiment's data can be trusted.

    Checks the shares, exposures, readouts and sample ratios. Exit code 1 if a check fails.

    \b
    Example:
      flywheel experiment check exp-001
    """
    from cli.experiments.check import checks_of
    from infra.settings import load_settings

    checks = checks_of(load_settings(), experiment)
    for result in checks:
        label = ("ok   ", "green") if result.ok else ("ALARM", "red")
        err.print(styled(label, f" {result.what}"))
        if not result.ok:
            err.print(f"        {result.remedy}")
    raise typer.Exit(0 if all(result.ok for result in checks) else 1)
