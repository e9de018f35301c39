"""Hand-off to trainers: our streaming of a pinned Delta version against bare pyarrow on the same Parquet files.

Both sides read all columns of rows of about one kilobyte in batches, alternately, in one process; what counts is CPU
seconds of all its threads, since machines are shared (wall seconds stand beside it). Bare pyarrow gets the list of
files for nothing and knows neither versions, features, ranks nor places to resume from; ours is asked for
`with_format("arrow").iter(...)`, as a trainer asks. Opening, which checks the version and counts the rows, is told
apart. Answers are asserted: the same rows, and with a condition the same selection. One row at a time is reported
beside `datasets`' own streaming of the files; there is no goal for it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import DeltaTable, WriterProperties, write_deltalake

from benchmarks.race import alternate, arguments, close, table
from infra.lake import Lake
from infra.settings import Settings, load_settings
from models.tables.opened import Opened, open_snapshot

GOAL = {"ratio": 0.85, "ratio_with_condition": 0.85}
TABLE = "curation.samples"
CONDITION = "language = 'en' AND depth BETWEEN 2 AND 9"
_EXPRESSION = (pc.field("language") == "en") & (pc.field("depth") >= 2) & (pc.field("depth") <= 9)
_FILES = 16
_BATCH = 8_192
_ROW_WISE = 20_000
_ROUNDS = 5

Answer = tuple[int, int]


def build(settings: Settings, size: int, seed: int) -> str:
    """A table of `size` rows in `_FILES` files of two partitions, and a later version that is not to be read."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz      "))
    phrases = ["".join(rng.choice(letters, 240)) for _ in range(2_000)]
    path = Lake.of(settings).path(TABLE)
    starts = [size * part // _FILES for part in range(_FILES + 1)]
    for part in range(_FILES):
        numbers = np.arange(starts[part], starts[part + 1])
        chosen = rng.integers(0, len(phrases), (len(numbers), 4))
        rows = pa.table(
            {
                "n": numbers,
                "dataset_id": [f"d{part % 2}"] * len(numbers),
                "split": np.where(rng.random(len(numbers)) < 0.1, "evaluation", "train"),
                "language": rng.choice(["en", "es", "hi"], len(numbers)),
                "depth": rng.integers(0, 20, len(numbers)),
                "weight": rng.random(len(numbers)),
                "context": [" ".join(phrases[i] for i in row[:3]) for row in chosen],
                "response": [phrases[row[3]] for row in chosen],
            }
        )
        properties = WriterProperties(compression="ZSTD", max_row_group_size=10_000)
        write_deltalake(path, rows, mode="append", partition_by=["dataset_id"], writer_properties=properties)
    write_deltalake(path, rows.slice(0, 10), mode="append")
    return path


def answer(batches: Iterable[Any]) -> Answer:
    """Rows and the sum of their numbers."""
    rows = total = 0
    for batch in batches:
        rows += batch.num_rows
        total += pc.sum(batch["n"]).as_py() or 0
    return rows, total


def bare(files: list[str], condition: pc.Expression | None) -> Answer:
    """pyarrow's own reading of a list of files."""
    dataset = pads.dataset(files, format="parquet", partitioning="hive")
    return answer(dataset.to_batches(filter=condition, batch_size=_BATCH))


def streamed(opened: Opened) -> Answer:
    """Ours, as a trainer reads it."""
    return answer(opened.streaming().with_format("arrow").iter(_BATCH))


def timed(
    sides: dict[str, Callable[[], Answer]], rounds: int = _ROUNDS
) -> tuple[dict[str, float], dict[str, float], dict[str, Answer]]:
    """CPU and wall seconds (medians) and the answer of each side."""
    walls: dict[str, list[float]] = defaultdict(list)

    def with_wall(name: str, run: Callable[[], Answer]) -> Callable[[], Answer]:
        def both() -> Answer:
            began = time.perf_counter()
            value = run()
            walls[name].append(time.perf_counter() - began)
            return value

        return both

    cpu, answers = alternate({name: with_wall(name, run) for name, run in sides.items()}, rounds)
    return cpu, {name: median(times) for name, times in walls.items()}, answers


def row_wise(opened: Opened, files: list[str]) -> dict[str, float]:
    """Rows per CPU second one at a time: ours and `datasets`' own streaming of the files."""
    from datasets import load_dataset

    def ours() -> Answer:
        rows = opened.streaming().take(_ROW_WISE)
        return sum(1 for _ in rows), 0

    def theirs() -> Answer:
        rows = load_dataset("parquet", data_files=files, split="train", streaming=True).take(_ROW_WISE)
        return sum(1 for _ in rows), 0

    cpu, _, answers = timed({"ours": ours, "datasets": theirs}, 3)
    assert answers["ours"] == answers["datasets"]
    return {name: round(answers[name][0] / seconds) for name, seconds in cpu.items()}


def race(
    settings: Settings, files: list[str], version: int, condition: bool
) -> tuple[list[list[object]], float]:
    """Rows of the report for one question, and our ratio to bare pyarrow in rows per CPU second."""
    where, expression = (CONDITION, _EXPRESSION) if condition else ("", None)
    began, began_cpu = time.perf_counter(), time.process_time()
    opened = open_snapshot(settings, f"{TABLE}@{version}", where=where)
    opening = f"{time.perf_counter() - began:.2f} / {time.process_time() - began_cpu:.2f}"
    sides: dict[str, Callable[[], Answer]] = {
        "pyarrow": lambda: bare(files, expression),
        "streaming": lambda: streamed(opened),
        "batches": lambda: answer(opened.batches()),
    }
    for run in sides.values():
        run()  # the page cache and the pools are warm for all
    cpu, wall, answers = timed(sides)
    assert len(set(answers.values())) == 1, answers
    rows = answers["pyarrow"][0]
    assert rows == opened.snapshot.rows
    lines: list[list[object]] = [
        [
            "with a condition" if condition else "all rows", name, f"{rows:,}", f"{rows / cpu[name]:,.0f}",
            f"{rows / wall[name]:,.0f}", f"{cpu['pyarrow'] / cpu[name]:.3f}", opening if name == "streaming" else "",
        ]
        for name in sides
    ]  # fmt: skip
    return lines, cpu["pyarrow"] / cpu["streaming"]


def main() -> bool:
    """Run the race."""
    options = arguments(__doc__, size=200_000)
    with tempfile.TemporaryDirectory(prefix="flywheel-handoff-") as home:
        settings = load_settings(home=Path(home))
        path = build(settings, options.size, options.seed)
        version = _FILES - 1
        files = DeltaTable(path, version=version).file_uris()
        size = sum(Path(file).stat().st_size for file in files)
        print(f"{options.size:,} rows, {len(files)} files, {size / 1e6:,.0f} MB; batches of {_BATCH:,}\n")
        plain, ratio = race(settings, files, version, condition=False)
        chosen, with_condition = race(settings, files, version, condition=True)
        head = ["", "side", "rows", "rows/CPU s", "rows/s", "x pyarrow (CPU)", "opening, s / CPU s"]
        print(table(head, [*plain, *chosen]))
        by_row = row_wise(open_snapshot(settings, f"{TABLE}@{version}"), files)
        print(table(["one row at a time", "rows/CPU s"], list(by_row.items())))
    figures = {
        "rows": options.size, "ratio": round(ratio, 3), "ratio_with_condition": round(with_condition, 3),
        "row_wise_per_cpu_second": by_row,
    }  # fmt: skip
    passed = {
        "ratio": ratio >= GOAL["ratio"],
        "ratio_with_condition": with_condition >= GOAL["ratio_with_condition"],
    }
    return close("handoff", figures, GOAL, passed)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
