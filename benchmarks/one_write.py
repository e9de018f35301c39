"""What a write costs: one frame as Arrow, as a small Spark frame and by Spark alone, in the five write modes.

CPU seconds of this process, its JVM and its workers, warm: the first write of each is not counted. The answer is
asserted: rows, content hash and the rows that are read back are the same three times.

    uv run python -m benchmarks.one_write [--size 100]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from benchmarks.race import alternate, arguments, close, cpu_seconds, table
from infra import write
from infra.contracts import Contract, contract
from infra.lake import Lake
from infra.lake.locks import hold
from infra.lake.migrate import migrate
from infra.settings import load_settings
from infra.spark import session
from infra.write import frames

# A table for each mode; curation.screened has many columns and nested ones.
TABLES = (
    "curation.outcomes", "curation.screened", "curation.sample_outcomes", "traffic.events", "traffic.conversations",
    "preherding.rm_accuracy",
)  # fmt: skip
DAY, MOMENT = date(2026, 11, 20), datetime(2026, 11, 20, 12, tzinfo=UTC)
GOAL_CPU_SECONDS = 1.0
_VALUES: dict[str, Any] = {
    "event_type": "message", "source": "user", "split": "train", "kind": "pairwise", "mode": "static", "model": "RM_1",
    "accuracy": 0.5, "low": 0.4, "high": 0.6, "correct": 3.0, "pairs": 6, "last_ts": MOMENT + timedelta(hours=1),
    "dataset_id": "d", "verdict": "pass", "gate": None, "change": None,
}  # fmt: skip
_BY_TYPE: dict[str, Any] = {
    "STRING": "some text", "DATE": DAY, "TIMESTAMP": MOMENT, "INT": 1, "BIGINT": 1, "DOUBLE": 0.5, "BOOLEAN": True,
}  # fmt: skip


def rows_of(declared: Contract, number: int) -> list[dict[str, Any]]:
    """Rows that keep all of the table's promises."""
    values = {
        c.name: _BY_TYPE.get(c.type, [] if c.type.startswith("ARRAY") else {}) for c in declared.columns
    }
    values |= _VALUES | {"outcome": "selected" if declared.scope else "eligible"}
    keys = [name for name in declared.key if name not in _VALUES and name != "run_id"] or ["batch"]
    return [values | {name: f"{name} {n}" for name in keys} for n in range(number)]


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, size=100)
    lines, figures, worst = [], {}, 0.0
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(home=Path(home))
        migrate(settings)
        lake, spark = Lake.of(settings), session(settings)
        for name in TABLES:
            seconds = _race(lake, spark, contract(name), options.size)
            lines.append([contract(name).write, name, *(f"{value:.2f}" for value in seconds.values())])
            figures[name] = {side: round(value, 3) for side, value in seconds.items()}
            worst = max(worst, seconds["small Spark frame"])
        spark.stop()
    print(table(["mode", "table", *next(iter(figures.values()))], lines))
    close(
        "one_write",
        {"rows": options.size, "cpu_seconds": figures},
        {"cpu_seconds": GOAL_CPU_SECONDS},
        {"a small frame": worst <= GOAL_CPU_SECONDS},
    )


def _race(lake: Lake, spark: Any, declared: Contract, number: int) -> dict[str, float]:
    rows = frames.arrow_table(declared, rows_of(declared, number))
    frame = spark.createDataFrame(rows, declared.spark_schema(declared.job_columns))
    # As most jobs end: in a shuffle.
    frame = frame.repartition(*(f"`{name}`" for name in declared.key if name != "run_id"))
    runs = iter(range(1_000))

    def written(frame: Any) -> Callable[[], tuple[dict[date, int], dict[date, str]]]:
        def run() -> tuple[dict[date, int], dict[date, str]]:
            run_id, scope = f"run {next(runs)}", {"dataset_id": "d"}
            with hold(lake.locks, [declared.name], run_id, 60) as locks:
                written_frame = write.write(
                    spark, lake, locks[declared.name], write.Write(declared.name, frame, [DAY], run_id, scope)
                )
            return written_frame.rows, written_frame.content_hashes

        return run

    def by_spark() -> tuple[dict[date, int], dict[date, str]]:
        with mock.patch.object(frames, "collect_small", return_value=None):
            return written(frame)()

    sides = {"Arrow": written(rows), "small Spark frame": written(frame), "Spark alone": by_spark}
    _same(alternate(sides, 1, cpu_seconds)[1].values())
    seconds, answers = alternate(sides, 2, cpu_seconds)
    _same(answers.values())
    if declared.write != "append":
        stored: pa.Table = lake.open(declared.name).to_pyarrow_table()
        assert frames.measure_arrow(declared, stored.cast(declared.arrow_schema())).rows == {DAY: number}
    return seconds


def _same(answers: Sequence[Any] | Any) -> None:
    first, *others = answers
    assert all(other == first for other in others), "the ways of writing disagree"


if __name__ == "__main__":
    main()
