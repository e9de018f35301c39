"""Delta tables of a few rows at the place of a declared one, without Spark and without migrating a lake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties, write_deltalake

from infra.lake import Lake
from infra.settings import Settings

SAMPLES = "curation.samples"


def write(settings: Settings, rows: pa.Table, table: str = SAMPLES, group: int = 1_000, **more: Any) -> str:
    """Append rows and return the table's path; `group` is the most rows of a row group."""
    path = Lake.of(settings).path(table)
    properties = WriterProperties(max_row_group_size=group, write_batch_size=group)
    write_deltalake(path, rows, mode="append", writer_properties=properties, **more)
    return path


def log_file(path: str, version: int = 0) -> Path:
    """The commit of a version."""
    return Path(path) / "_delta_log" / f"{version:020d}.json"


def edit_log(path: str, change: Callable[[dict[str, Any]], None], version: int = 0) -> None:
    """Rewrite the actions of a commit, as another writer would have written them."""
    actions = [json.loads(line) for line in log_file(path, version).read_text().splitlines()]
    for action in actions:
        change(action)
    log_file(path, version).write_text("\n".join(map(json.dumps, actions)) + "\n")


def data_files(path: str) -> list[Path]:
    """Parquet files of the latest version, sorted."""
    return sorted(Path(one) for one in DeltaTable(path).file_uris())
