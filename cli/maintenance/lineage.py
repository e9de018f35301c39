"""`flywheel lineage`: from a model or a row to the landed files, and from a table to the models made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Format, err, out, print_json, print_rows, styled

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from infra.settings import Settings
    from jobs.maintenance.lineage import Derived, ModelLineage
    from jobs.maintenance.provenance import Source

_FILES = 5
_FLAT = ["model", "depth", "source", "versions", "days", "job", "file"]
_MADE_WITH = (
    ("code", "code_commit"), ("uncommitted changes", "code_changes_hash"), ("base model", "base_model"),
    ("base model hash", "base_model_hash"), ("tokenizer hash", "tokenizer_hash"), ("weights hash", "weights_hash"),
    ("configuration", "configuration_hash"), ("environment", "environment_hash"), ("seed", "seed"),
    ("trained until", "trained_until"), ("stored", "storage"), ("run", "run_id"),
)  # fmt: skip


def lineage(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL|TABLE|TURN|PAIR]",
            help="MODEL@ALIAS, MODEL/3, stage.table, stage.table@12, a turn_id or a pair_id. Default: list all models.",
        ),
    ] = None,
    format: Annotated[
        Format,
        typer.Option(help="table prints a tree for a model or a table, csv one line a table and file."),
    ] = Format.table,
    files: Annotated[
        int,
        typer.Option(
            min=0, help="Number of landed files to show for each landing zone. json shows all of them."
        ),
    ] = _FILES,
    short: Annotated[
        bool,
        typer.Option("--short", help="For a model, show one line for each table that it was trained on."),
    ] = False,
) -> None:
    """Show what a model or a row was built from, or which models depend on a table.

    For a turn or a judged pair: the landed files and lines that it was made of, and the tables that have it. For a
    model: its code, base model and settings, the table versions it was trained on, and the landed files that
    they came from. For a table: every registered model that depends on it. An erasure affects those models.

    \b
    Examples:
      flywheel lineage reward-pointwise@candidate
      flywheel lineage annotation.preferences@12
      flywheel lineage TURN_ID --format csv
    """
    from infra.contracts import table_names
    from infra.settings import load_settings

    settings = load_settings()
    if subject is None:
        _print_models(settings, format)
    elif subject.removeprefix("models:/").partition("@")[0] in table_names():
        name, _, version = subject.partition("@")
        _print_table(settings, name, version, format)
    elif "@" not in subject and "/" not in subject:
        _print_origin(settings, subject, format)
    elif short:
        if format is not Format.table:
            raise typer.BadParameter("--short prints lines for people: leave --format out")
        _print_short(settings, subject)
    else:
        _print_model(settings, subject, format, files)


def _print_models(settings: Settings, format: Format) -> None:
    from models.registry.pins import models

    rows = [
        {
            "model": model.named, "aliases": ", ".join(model.aliases),
            "tables": ", ".join(sorted({str(snapshot) for snapshot in model.snapshots})),
            "trained until": model.tags.get("trained_until", ""), "code": model.tags.get("code_commit", "")[:12],
        }
        for model in models(settings)
    ]  # fmt: skip
    print_rows(rows, ["model", "aliases", "tables", "trained until", "code"], format)
    if not rows:
        err.print("No model is registered yet. Train one: flywheel train --help")


def _print_model(settings: Settings, name: str, format: Format, files: int) -> None:
    from rich.tree import Tree

    from jobs.maintenance.lineage import of_model

    lineage = of_model(settings, name)
    if format is Format.table:
        tree = Tree(_title(lineage))
        _add_model(tree, lineage, files)
        out.print(tree, soft_wrap=False, width=out.columns)
    elif format is Format.csv:
        print_rows(list(_flat(lineage)), _FLAT, format)
    else:
        print_json(asdict(lineage))


def _flat(lineage: ModelLineage) -> Iterator[dict[str, str]]:
    """One row for each table that the model came from, directly or not, and for each landed file."""

    def rows(source: Source, depth: int) -> Iterator[dict[str, str]]:
        from jobs.maintenance.lineage import versions_text

        common = {"model": lineage.model.named, "depth": str(depth), "source": source.name}
        versions = versions_text(source.versions).removeprefix("@")
        days = " ".join(day.isoformat() for day in source.days)
        for name in source.files or ("",):
            yield common | {"versions": versions, "days": days, "job": source.job, "file": name}
        for above in source.made_from:
            yield from rows(above, depth + 1)

    for source in lineage.sources:
        yield from rows(source, 1)
    for parent in lineage.parents:
        yield from _flat(parent)


def _print_origin(settings: Settings, given: str, format: Format) -> None:
    """The landed lines of a turn or a judged pair, and the tables that have it."""
    from jobs.maintenance.origin import origin_of

    origin = origin_of(settings, given)
    if format is Format.json:
        print_json(asdict(origin))
        return
    lines = [asdict(line) for line in origin.lines]
    if lines:
        print_rows(lines, list(lines[0]), format)
    else:
        err.print("No landed line is known: the files or rows that it came from were deleted by retention.")
    if format is Format.table:
        out.print()
        print_rows([asdict(use) for use in origin.uses], ["table", "unit", "how"], format)
        err.print("Models built from a table: flywheel lineage TABLE")


def _print_short(settings: Settings, name: str) -> None:
    """Model, training tables, the tables and landed files behind them, and the code: a few lines."""
    from jobs.maintenance.lineage import of_model

    lineage = of_model(settings, name)
    out.print(_title(lineage))
    for snapshot, source in zip(lineage.model.snapshots, lineage.sources, strict=True):
        tables, files = _origins(source)
        behind = f"; built from {', '.join(sorted(tables))}" if tables else ""
        rows = f"{snapshot.rows:,} rows of {snapshot.split or 'both splits'}"
        line = f"  {snapshot}: {rows}{behind}; {len(files):,} landed file(s)"
        out.print(line)
    code = lineage.model.tags.get("code_commit", "unknown")[:12]
    out.print(f"  code {code}; the whole tree: flywheel lineage {name}")


def _origins(source: Source) -> tuple[set[str], set[str]]:
    """Names of the tables that a source was made from, directly or not, and of the landed files."""
    tables: set[str] = set()
    files = set(source.files)
    for origin in source.made_from:
        if origin.versions:
            tables.add(origin.name)
        more_tables, more_files = _origins(origin)
        tables |= more_tables
        files |= more_files
    return tables, files


def _title(lineage: ModelLineage, before: str = "") -> Text:
    aliases = f"  ({', '.join(lineage.model.aliases)})" if lineage.model.aliases else ""
    return styled(before, (lineage.model.named, "bold"), aliases)


def _add_model(tree: Tree, lineage: ModelLineage, files: int) -> None:
    """Add what the model was made with, its tables, and its parent models."""
    tags = lineage.model.tags
    for label, key in _MADE_WITH:
        if tags.get(key):
            dirty = (
                " with uncommitted changes"
                if key == "code_commit" and tags.get("code_dirty") == "true"
                else ""
            )
            tree.add(f"{label}: {tags[key]}{dirty}")
    for snapshot, source in zip(lineage.model.snapshots, lineage.sources, strict=True):
        where = f", where {snapshot.where}" if snapshot.where else ""
        note = "  no longer readable" if str(snapshot) in lineage.gone else ""
        split = snapshot.split or "both splits"
        label = f"{snapshot}: {snapshot.rows:,} rows of {split}{where}, filter {snapshot.filter_hash}"
        _add_source(tree.add(styled((label, "bold"), (note, "red"))), source, files, is_root=True)
    for parent in lineage.parents:
        _add_model(tree.add(_title(parent, "made with ")), parent, files)


def _add_source(tree: Tree, source: Source, files: int, is_root: bool = False) -> None:
    from infra.settings import span_of
    from jobs.maintenance.lineage import source_label

    by = f" by {source.job}" if source.job else ""
    runs = f" in {source.runs} run(s)" if source.runs else ""
    days = f" {span_of(source.days)}" if source.days else ""
    note = f"  ({source.note})" if source.note else ""
    line = f"{source_label(source)}{days}{by}{runs}{note}"
    here = tree.add(line) if not is_root or by or note else tree
    for name in source.files[:files]:
        here.add(name)
    if len(source.files) > files:
        here.add(
            f"and {len(source.files) - files:,} more file(s)" if files else f"{len(source.files):,} file(s)"
        )
    for above in source.made_from:
        _add_source(here, above, files)


def _print_table(settings: Settings, name: str, version: str, format: Format) -> None:
    from rich.tree import Tree

    from infra.errors import JobUnknown
    from jobs.maintenance.lineage import of_table

    if version and not version.isdigit():
        raise JobUnknown("a table version must be a number", table=name, hint="Write stage.table@12.")
    derived = of_table(settings, name, int(version) if version else None)
    if format is Format.json:
        print_json(
            [
                {
                    "model": descendant.model.named,
                    "aliases": descendant.model.aliases,
                    "through": descendant.through,
                }
                for descendant in derived
            ]
        )
        return
    if format is Format.csv:
        rows = [
            {
                "model": each.model.named, "aliases": " ".join(each.model.aliases), "through": " > ".join(each.through)
            }
            for each in derived
        ]  # fmt: skip
        print_rows(rows, ["model", "aliases", "through"], format)
        return
    tree = Tree(styled((f"{name}@{version}" if version else name, "bold")))
    _add_derived(tree, derived)
    out.print(tree, soft_wrap=False, width=out.columns)
    err.print(
        f"{len(derived)} model(s) depend on it. Erasing its rows affects all of them."
        if derived
        else "No registered model depends on it.",
    )


def _add_derived(tree: Tree, derived: list[Derived]) -> None:
    """Add models as leaves; paths with the same beginning share their branches."""
    branches: dict[tuple[str, ...], Tree] = {}
    for descendant in derived:
        branch = tree
        for n in range(1, len(descendant.through)):
            path = descendant.through[: n + 1]
            if path not in branches:
                branches[path] = branch.add(descendant.through[n])
            branch = branches[path]
        aliases = f" ({', '.join(descendant.model.aliases)})" if descendant.model.aliases else ""
        branch.add(styled((descendant.model.named, "bold"), aliases))
