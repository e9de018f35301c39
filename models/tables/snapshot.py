"""The record of what a training run read: a table at a version, a filter and a split. MLflow keeps it as lineage."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Snapshot:
    """Rows of one table version.

    Attributes:
        table: `stage.table`.
        version: Delta version.
        where: SQL condition on the table's columns, or empty.
        split: `train`, `evaluation`, or empty for both.
        rows: number of selected rows.
        files_hash: hash of the version's file list (names and sizes); it differs if the history was rewritten.
    """

    table: str
    version: int
    where: str
    split: str
    rows: int
    files_hash: str

    @property
    def filter_hash(self) -> str:
        """Sixteen hex digits of table, condition and split: the same for every version."""
        text = json.dumps([self.table, self.where, self.split])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        """`stage.table@version`."""
        return f"{self.table}@{self.version}"
