"""The `flywheel` command. Each command stands in the folder of its group: `cli/<group>/`.

A command's file imports what its help needs and nothing else: settings, tables and models are imported inside the
function, so that `flywheel --help` stays fast (tests/cli/test_help.py checks it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from cli.console import out, print_error
from cli.datasets.ids import id
from cli.datasets.importing import import_logs
from cli.datasets.outcomes import outcomes
from cli.datasets.preferences import preferences_app
from cli.datasets.pull import lengths, pull
from cli.datasets.sandbox import sandbox
from cli.datasets.sql import sql
from cli.datasets.tables import tables
from cli.experiments.commands import experiment_app
from cli.experiments.readout import readout
from cli.experiments.replay import replay_app
from cli.maintenance.compact import compact
from cli.maintenance.doctor import doctor
from cli.maintenance.erase import erase
from cli.maintenance.lineage import lineage
from cli.maintenance.migrate import migrate
from cli.maintenance.retention import retention
from cli.maintenance.setup import setup
from cli.maintenance.vacuum import vacuum
from cli.reports.command import report
from cli.runs.plan import plan
from cli.runs.run import run
from cli.screening.review import review_app
from cli.screening.safety import safety_app
from cli.screening.screen import screen
from cli.sections import Section, SectionedGroup
from cli.signals.bias import signals_app
from cli.training.commands import train_app
from cli.training.submit import submit
from infra.errors import DiskFull, FlywheelError, is_disk_full

app = typer.Typer(
    cls=SectionedGroup,
    no_args_is_help=True,
    # Plain help: rich's panels take .4 CPU s, twice as much as everything else in `flywheel --help`.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 110},
    help="Turn logged chats into curated tables, experiment results and better models.\n\n"
    "New here? Run `flywheel doctor`, then `make demo`. `flywheel plan` shows what has to run, and why.",
)


def _print_version(wanted: bool) -> None:
    """Print the package's version and the commit of a checkout, and end."""
    if wanted:
        from infra.lake.ledger import code_version

        out.print(f"flywheel {version('characterflywheel')} ({code_version()})")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and end."),
    ] = False,
) -> None:
    """Options of the command itself."""


def _register() -> None:
    """Add the commands in the order of the help."""
    sections: dict[Section, list[Callable[..., None]]] = {
        Section.pipeline: [plan, run],
        Section.data: [sandbox, tables, sql, id, outcomes, pull, lengths],
        Section.screening: [screen],
        Section.experiments: [readout],
        Section.reports: [report],
        Section.maintenance: [doctor, setup, migrate, lineage, retention, compact, vacuum, erase],
    }
    for section, commands in sections.items():
        for command in commands:
            app.command(rich_help_panel=section)(command)
    app.command("import", rich_help_panel=Section.data)(import_logs)
    # Options after the first word belong to the command that is submitted.
    app.command(rich_help_panel=Section.training, context_settings={"allow_interspersed_args": False})(submit)
    for name, section, group in (
        ("preferences", Section.data, preferences_app),
        ("review", Section.screening, review_app),
        ("safety", Section.screening, safety_app),
        ("signals", Section.signals, signals_app),
        ("experiment", Section.experiments, experiment_app),
        ("replay", Section.experiments, replay_app),
        ("train", Section.training, train_app),
    ):
        app.add_typer(group, name=name, rich_help_panel=section)


_register()


def main() -> None:
    """Run the command. One of our errors becomes one line that says what to do, and exit code 1."""
    try:
        app()
    except FlywheelError as error:
        print_error(error)
        sys.exit(1)
    except Exception as error:
        if not is_disk_full(error):
            raise
        print_error(DiskFull("the disk filled up", hint="Free disk space, then run the command again."))
        sys.exit(1)


if __name__ == "__main__":
    main()
