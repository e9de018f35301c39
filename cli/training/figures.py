"""Tables of the accuracy of reward models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.console import Format, err, print_rows

if TYPE_CHECKING:
    from models.reward.agreement import Line
    from models.reward.intervals import Accuracy
    from models.reward.matrix import Cell


def print_registered(registered: object, alias: str, lacking: Sequence[str]) -> None:
    """Say which version was registered, and whether the alias moved to it; if not, why."""
    if not (alias and lacking):
        err.print(f"Registered {registered}{f' as {alias}' if alias else ''}.")
        return
    err.print(f"Registered {registered}, and {alias} did not move to it:")
    for reason in lacking:
        err.print(f"  {reason}")
    err.print(
        "The gate is the section candidate of the settings. More pairs or days, or another model, may pass it."
    )


def print_cells(cells: Sequence[Cell], format: Format) -> None:
    """Print one row per cell: text for people, numbers for programs."""
    rows = [_line(cell) if format is Format.table else _figures(cell) for cell in cells]
    print_rows(rows, list(rows[0]), format)


def _line(cell: Cell) -> dict[str, Any]:
    same = {} if cell.consistency is None else {"same verdict in both orders": str(cell.consistency)}
    return {
        "model": cell.model, "mode": cell.mode, "batch": cell.batch, "pairs": cell.accuracy.n,
        "accuracy": str(cell.accuracy), "longer answer": str(cell.longer), **same,
    }  # fmt: skip


def _figures(cell: Cell) -> dict[str, Any]:
    """The numbers of a cell, for programs."""
    change = cell.change
    return {
        "model": cell.model, "mode": cell.mode, "batch": cell.batch, "zero_shot": cell.zero_shot,
        "pairs": cell.accuracy.n, "accuracy": cell.accuracy.value, "low": cell.accuracy.low,
        "high": cell.accuracy.high, "longer_accuracy": cell.longer.value,
        "position_consistency": None if cell.consistency is None else cell.consistency.value,
        "change": None if change is None else change.value, "gate": cell.gate,
    }  # fmt: skip


def print_agreement(lines: Sequence[Line], format: Format) -> None:
    """Print Table 9: one row per kind and training set. Programs get the intervals as numbers."""

    def columns(name: str, accuracy: Accuracy) -> dict[str, Any]:
        if format is Format.table:
            return {name: str(accuracy)}
        return {name: accuracy.value, f"{name}, low": accuracy.low, f"{name}, high": accuracy.high}

    rows = [
        {
            "kind": line.kind, "training set": line.training, "labels": line.labels,
            **columns("single (random)", line.single), "pairs": line.single.n,
            **columns("multi (agree)", line.agreed), "agreed pairs": line.agreed.n,
            **columns("longer, agreed", line.longer),
        }
        for line in lines
    ]  # fmt: skip
    print_rows(rows, list(rows[0]), format)


def print_matrix(cells: Sequence[Cell], format: Format) -> None:
    """Print the matrix as the paper does: a row per model, a column per batch. Programs get one row per cell."""
    if format is not Format.table:
        print_cells(cells, format)
        return
    for mode in sorted({cell.mode for cell in cells}):
        some = [cell for cell in cells if cell.mode == mode]
        rows = [
            {"model": name} | {f"{mode} {cell.batch}": _short(cell) for cell in some if cell.model == name}
            for name in dict.fromkeys(cell.model for cell in some)
        ]
        last = some[-1].model
        rows.append(
            {"model": "longer answer"}
            | {f"{mode} {cell.batch}": str(cell.longer) for cell in some if cell.model == last}
        )
        rows.append(
            {"model": "pairs"}
            | {f"{mode} {cell.batch}": str(cell.accuracy.n) for cell in some if cell.model == last}
        )
        print_rows(rows, list(rows[0]), format)


def _short(cell: Cell) -> str:
    gate = "" if cell.gate is None else f" {cell.gate}"
    return f"{cell.accuracy}{' zero-shot' if cell.zero_shot else ''}{gate}"
