"""`flywheel lineage`: from a model to the files it came from, and from a table to the models that came from it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from cli.console import Format, err, out, print_rows
from infra.contracts import table_names
from infra.errors import JobUnknown
from infra.settings import Settings, load_settings, span_of

if TYPE_CHECKING:
    from jobs.maintenance.lineage import Derived, ModelLineage
    from jobs.maintenance.provenance import Source

_FILES = 5
_MADE_WITH = (
    ("code", "code_commit"), ("uncommitted changes", "code_changes_hash"), ("base model", "base_model"),
    ("base model hash", "base_model_hash"), ("tokenizer hash", "tokenizer_hash"), ("weights hash", "weights_hash"),
    ("configuration", "configuration_hash"), ("environment", "environment_hash"), ("seed", "seed"),
    ("trained until", "trained_until"), ("stored", "storage"), ("run", "run_id"),
)  # fmt: skip


def lineage(
    what: Annotated[
        str | None,
        typer.Argument(help="MODEL@ALIAS, MODEL/3, stage.table@12 or stage.table; none: all models."),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="table (for people: a tree), csv (models only) or json.")
    ] = Format.table,
    files: Annotated[
        int, typer.Option(min=0, help="Landing files to name of each zone; json names all.")
    ] = _FILES,
) -> None:
    """From a model to its tables and to the files that landed; from a table to the models that came from it.

    The second is also what an erasure must name: it spares no version that a model stands on, as flywheel vacuum does.

    Examples: flywheel lineage reward-pointwise@candidate;  flywheel lineage annotation.preferences@12
    """
    settings = load_settings()
    if what is None:
        _all(settings, format)
    elif what.removeprefix("models:/").partition("@")[0] in table_names():
        name, _, version = what.partition("@")
        _table(settings, name, version, format)
    else:
        _model(settings, what, format, files)


def _all(settings: Settings, format: Format) -> None:
    from models.registry.pins import models

    rows = [
        {
            "model": one.named, "aliases": ", ".join(one.aliases),
            "tables": ", ".join(sorted({str(s) for s in one.snapshots})),
            "trained until": one.tags.get("trained_until", ""), "code": one.tags.get("code_commit", "")[:12],
        }
        for one in models(settings)
    ]  # fmt: skip
    print_rows(rows, ["model", "aliases", "tables", "trained until", "code"], format)
    if not rows:
        err.print("No model is registered yet. Train one: flywheel train --help")


def _model(settings: Settings, named: str, format: Format, files: int) -> None:
    from jobs.maintenance.lineage import of_model

    found = of_model(settings, named)
    if format is Format.table:
        tree = Tree(_title(found))
        _grow(tree, found, files)
        out.print(tree, highlight=False)
    else:
        _dump(asdict(found))


def _title(found: ModelLineage) -> str:
    aliases = f"  ({', '.join(found.model.aliases)})" if found.model.aliases else ""
    return f"[bold]{escape(found.model.named)}[/bold]{escape(aliases)}"


def _grow(tree: Tree, found: ModelLineage, files: int) -> None:
    tags = found.model.tags
    for label, key in _MADE_WITH:
        if tags.get(key):
            dirty = (
                " with uncommitted changes"
                if key == "code_commit" and tags.get("code_dirty") == "true"
                else ""
            )
            tree.add(f"{label}: {escape(tags[key])}{dirty}")
    for snapshot, source in zip(found.model.snapshots, found.sources, strict=True):
        where = f", where {snapshot.where}" if snapshot.where else ""
        gone = "  [red]no longer readable[/red]" if str(snapshot) in found.gone else ""
        split = snapshot.split or "both splits"
        told = f"{snapshot}: {snapshot.rows:,} rows of {split}{where}, filter {snapshot.filter_hash}"
        _add(tree.add(f"[bold]{escape(told)}[/bold]{gone}"), source, files, is_root=True)
    for parent in found.parents:
        _grow(tree.add("made with " + _title(parent)), parent, files)


def _add(tree: Tree, source: Source, files: int, is_root: bool = False) -> None:
    from jobs.maintenance.lineage import told

    by = f" by {source.job}" if source.job else ""
    runs = f" in {source.runs} run(s)" if source.runs else ""
    days = f" {span_of(source.days)}" if source.days else ""
    note = f"  ({source.note})" if source.note else ""
    line = f"{told(source)}{days}{by}{runs}{note}"
    here = tree.add(escape(line)) if not is_root or by or note else tree
    for name in source.files[:files]:
        here.add(escape(name))
    if len(source.files) > files:
        here.add(
            f"and {len(source.files) - files:,} more file(s)" if files else f"{len(source.files):,} file(s)"
        )
    for above in source.made_from:
        _add(here, above, files)


def _table(settings: Settings, name: str, version: str, format: Format) -> None:
    from jobs.maintenance.lineage import of_table

    if version and not version.isdigit():
        raise JobUnknown("a version of a table is a number", table=name, hint="Write stage.table@12.")
    found = of_table(settings, name, int(version) if version else None)
    if format is not Format.table:
        _dump(
            [
                {"model": one.model.named, "aliases": one.model.aliases, "through": one.through}
                for one in found
            ]
        )
        return
    tree = Tree(f"[bold]{escape(name)}{'@' + version if version else ''}[/bold]")
    _branches(tree, found)
    out.print(tree, highlight=False)
    err.print(
        f"{len(found)} model(s) came from it; an erasure of its rows touches them all."
        if found
        else "No registered model came from it.",
        highlight=False,
    )


def _branches(tree: Tree, found: list[Derived]) -> None:
    """Models as leaves; ways that begin alike share their branches."""
    grown: dict[tuple[str, ...], Tree] = {}
    for one in found:
        here = tree
        for n in range(1, len(one.through)):
            way = one.through[: n + 1]
            if way not in grown:
                grown[way] = here.add(escape(one.through[n]))
            here = grown[way]
        aliases = f" ({', '.join(one.model.aliases)})" if one.model.aliases else ""
        here.add(f"[bold]{escape(one.model.named)}[/bold]{escape(aliases)}")


def _dump(content: Any) -> None:
    json.dump(content, sys.stdout, default=str, ensure_ascii=False)
    sys.stdout.write("\n")
