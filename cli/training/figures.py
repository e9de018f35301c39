"""How the accuracy of reward models is printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.console import Format, print_rows

if TYPE_CHECKING:
    from models.reward.agreement import Line
    from models.reward.intervals import Accuracy
    from models.reward.matrix import Cell


def print_cells(cells: Sequence[Cell], format: Format) -> None:
    """A row a cell: text for people, numbers for programs."""
    rows = [_told(cell) if format is Format.table else _figures(cell) for cell in cells]
    print_rows(rows, list(rows[0]), format)


def _told(cell: Cell) -> dict[str, Any]:
    same = {} if cell.consistency is None else {"same verdict in both orders": str(cell.consistency)}
    return {
        "model": cell.model, "mode": cell.mode, "batch": cell.batch, "pairs": cell.accuracy.n,
        "accuracy": str(cell.accuracy), "longer answer": str(cell.longer), **same,
    }  # fmt: skip


def _figures(cell: Cell) -> dict[str, Any]:
    """For programs."""
    change = cell.change
    return {
        "model": cell.model, "mode": cell.mode, "batch": cell.batch, "zero_shot": cell.zero_shot,
        "pairs": cell.accuracy.n, "accuracy": cell.accuracy.value, "low": cell.accuracy.low,
        "high": cell.accuracy.high, "longer_accuracy": cell.longer.value,
        "position_consistency": None if cell.consistency is None else cell.consistency.value,
        "change": None if change is None else change.value, "gate": cell.gate,
    }  # fmt: skip


def print_agreement(lines: Sequence[Line], format: Format) -> None:
    """Table 9: a row a training set and kind; programs get the intervals as numbers."""

    def told(name: str, one: Accuracy) -> dict[str, Any]:
        if format is Format.table:
            return {name: str(one)}
        return {name: one.value, f"{name}, low": one.low, f"{name}, high": one.high}

    rows = [
        {
            "kind": line.kind, "training set": line.training, "labels": line.labels,
            **told("single (random)", line.single), "pairs": line.single.n,
            **told("multi (agree)", line.agreed), "agreed pairs": line.agreed.n,
            **told("longer, agreed", line.longer),
        }
        for line in lines
    ]  # fmt: skip
    print_rows(rows, list(rows[0]), format)


def print_matrix(cells: Sequence[Cell], format: Format) -> None:
    """As the paper prints it: models down, batches across; programs get a row a cell."""
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
