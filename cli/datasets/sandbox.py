"""`flywheel sandbox`: simulate the live product."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import err, out, print_lines

if TYPE_CHECKING:
    from infra.sandbox import SandboxSettings
    from infra.settings import Settings


def sandbox(
    turns: Annotated[
        int | None, typer.Option(help="Approximate number of turns. Default: sandbox.turns.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First day. Default: sandbox.start.")] = None,
    days: Annotated[int | None, typer.Option(help="Number of days. Default: sandbox.days.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed. The same seed writes identical files.")
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Number of worker processes. The output does not depend on it.")
    ] = 2,
    bias: Annotated[
        str | None,
        typer.Option(
            help="Turn on one bias of section 3.5.5 only, such as ending_bias. fair turns all of them off."
        ),
    ] = None,
) -> None:
    """Simulate days of traffic for a chat product.

    Writes event files to the landing zone. Also writes the ground truth next to the lake (planted identifiers,
    near-duplicates, true lifts), so that you can check results against it.

    \b
    Example:
      flywheel sandbox --turns 5000 --days 3
    """
    from rich.progress import Progress

    from infra.lake import Lake
    from infra.lake.roots import make_roots
    from infra.sandbox import SandboxSettings, generate
    from infra.sandbox.scenarios import SCENARIOS, scenario
    from infra.settings import load_settings

    settings = load_settings()
    chosen = SandboxSettings.of(settings.sandbox, turns=turns, start=start, days=days, seed=seed)
    if bias is not None:
        if bias not in SCENARIOS:
            raise typer.BadParameter(f"--bias must be one of {', '.join(SCENARIOS)}")
        chosen = scenario(bias, chosen)
    make_roots(settings)
    with Progress(console=err) as progress:
        task = progress.add_task("simulating", total=None)
        summary = generate(
            chosen,
            Path(Lake.of(settings).landing),
            Path(settings.resolve("truth")),
            workers,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    print_lines(summary)
    span = f"{chosen.start}..{date.fromordinal(chosen.start.toordinal() + chosen.days - 1)}"
    if chosen.experiment is not None:
        out.print(f"Next: flywheel experiment declare {_write_definition(settings, chosen)}")
    out.print(f"Next: flywheel run traffic.land --days {span}")
    if summary.judgements:
        out.print(f"Next: flywheel run annotation.preferences --days {span}")


def _write_definition(settings: Settings, chosen: SandboxSettings) -> Path:
    """Write the definition of the simulated experiment beside the landing zone and return the file."""
    from infra.lake import Lake
    from infra.sandbox.experiments import declaration

    assert chosen.experiment is not None
    folder = Path(Lake.of(settings).landing).parent / "experiments"
    file = folder / f"{chosen.experiment.experiment_id}.toml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(declaration(chosen), encoding="utf-8")
    return file
