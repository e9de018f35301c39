"""The matrix of Table 8 as rows of `preherding.rm_accuracy`: every measurement kept, a repeated one written once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from infra.lake import Lake
from infra.ledger import append, now
from models.reward.matrix import Cell, Row

TABLE = "preherding.rm_accuracy"


def store(lake: Lake, rows: Sequence[Row], source: str) -> str:
    """Append the cells of a matrix and return their run id.

    Args:
        source: `stage.table@version` that the pairs are of.
    """
    run_id = _run_id(rows, source)
    known = lake.open(TABLE).to_pyarrow_dataset().to_table(columns=["run_id"]).column("run_id").to_pylist()
    if run_id not in known:
        append(
            lake,
            TABLE,
            [_cell(row, cell, source) | {"run_id": run_id} for row in rows for cell in row.cells],
            run_id,
        )
    return run_id


def _run_id(rows: Sequence[Row], source: str) -> str:
    """Of what decides the figures, so that the same matrix is the same run."""
    # The folder of a run is named by its rows and its configuration.
    runs = [[row.trained.kind, row.trained.folder.parent.name, row.labels, len(row.cells)] for row in rows]
    return "rm-" + hashlib.sha256(json.dumps([source, runs]).encode()).hexdigest()[:16]


def _cell(row: Row, cell: Cell, source: str) -> dict[str, Any]:
    trained, change = row.trained, cell.change
    return {
        "model": cell.model, "kind": trained.kind, "mode": cell.mode, "batch": cell.batch,
        "zero_shot": cell.zero_shot, "pairs": cell.accuracy.n, "correct": cell.accuracy.correct,
        "accuracy": cell.accuracy.value, "low": cell.accuracy.low, "high": cell.accuracy.high,
        "longer_accuracy": cell.longer.value,
        "position_consistency": None if cell.consistency is None else cell.consistency.value,
        "change": None if change is None else change.value,
        "change_low": None if change is None else change.low,
        "change_high": None if change is None else change.high,
        "gate": cell.gate, "training_pairs": row.labels, "source_table": source,
        "base_model": trained.base.rsplit("/", 1)[-1] if trained.base.startswith("/") else trained.base,
        "configuration_hash": trained.configuration.fingerprint(), "ds": now().date(),
    }  # fmt: skip
