"""Files that appear whole: gzip members of shards appended to a hidden file, renamed when it is finished."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from infra.sandbox.faults import Line, day_of
from infra.sandbox.planting import Gold, Row
from infra.storage import publish

LEVEL = 3
JUDGEMENTS = "preferences"
"""Folder in the landing zone for judgements of pairs, which are no events."""
MAX_FILE_BYTES = 32_000_000
MALFORMED = "malformed"


@dataclass(frozen=True)
class Packed:
    """Lines of one shard and received day: a gzip member, and where its malformed lines stand (from 0)."""

    data: bytes
    lines: int
    broken: tuple[tuple[int, str, str], ...] = ()


@dataclass
class ShardResult:
    """What one shard hands to the writer."""

    landing: dict[date, Packed] = field(default_factory=dict)
    judgements: dict[date, Packed] = field(default_factory=dict)
    truth: dict[str, Packed] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def _member(lines: Iterable[bytes]) -> bytes:
    # mtime 0: the same lines give the same bytes whenever they are written.
    return gzip.compress(b"".join(lines), LEVEL, mtime=0)


def pack(
    lines: list[Line],
    gold: Gold,
    events: int,
    turns: int,
    judgements: Mapping[date, Sequence[bytes]] | None = None,
) -> ShardResult:
    """Sort a shard's lines by received time and compress them by received day; judgements by batch, gold by table."""
    result = ShardResult()
    for day, judged in sorted((judgements or {}).items()):
        result.judgements[day] = Packed(_member(judged), len(judged))
        result.counts["judgements"] += len(judged)
    by_day: dict[date, list[Line]] = {}
    for line in sorted(lines, key=lambda line: (line.received, line.event_id)):
        by_day.setdefault(day_of(line.received), []).append(line)
    for day in sorted(by_day):
        day_lines = by_day[day]
        broken = tuple((i, line.broken, line.event_id) for i, line in enumerate(day_lines) if line.broken)
        result.landing[day] = Packed(_member(line.data for line in day_lines), len(day_lines), broken)
    for table, rows in sorted(gold.tables.items()):
        data = _member(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        result.truth[table] = Packed(data, len(rows))
    result.counts.update({"events": events, "turns": turns, "lines": len(lines)})
    return result


@dataclass
class _Open:
    hidden: Path
    final: Path
    bytes: int = 0
    lines: int = 0


class SandboxWriter:
    """Appends shards in their order. Files carry the run's name; nothing is visible before `finish`."""

    def __init__(self, landing: Path, truth: Path, name: str) -> None:
        self.landing = landing
        self.truth = truth
        self.name = name
        self.gold_rows: Counter[str] = Counter()
        self.days: set[date] = set()
        self._numbers: Counter[Path] = Counter()
        self._open: dict[Path, _Open] = {}
        self._finished: list[_Open] = []
        truth.mkdir(parents=True, exist_ok=True)
        for stale in truth.glob("_*"):
            stale.unlink()

    def add(self, result: ShardResult) -> None:
        """Append one shard's members, and the gold of its malformed lines once their place is known."""
        broken: list[Row] = []
        for day, packed in result.judgements.items():
            self._append(self._target(self.landing / JUDGEMENTS, day), packed)
        for day, packed in result.landing.items():
            self.days.add(day)
            target = self._target(self.landing, day)
            for place, kind, event_id in packed.broken:
                broken.append(
                    {
                        "file": target.final.relative_to(self.landing).as_posix(),
                        "line": target.lines + place + 1,
                        "kind": kind,
                        "event_id": event_id,
                    }
                )
            self._append(target, packed)
        for table, packed in result.truth.items():
            self._truth(table, packed)
        if broken:
            data = _member(json.dumps(row).encode() + b"\n" for row in broken)
            self._truth(MALFORMED, Packed(data, len(broken)))

    def _append(self, target: _Open, packed: Packed) -> None:
        with target.hidden.open("ab") as file:
            file.write(packed.data)
        target.bytes += len(packed.data)
        target.lines += packed.lines
        if target.bytes > MAX_FILE_BYTES:
            self._finished.append(self._open.pop(target.final.parent))

    def _target(self, root: Path, day: date) -> _Open:
        folder = root / f"received_ds={day.isoformat()}"
        if folder not in self._open:
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{self.name}-{self._numbers[folder]:05d}.jsonl.gz"
            self._numbers[folder] += 1
            target = _Open(folder / f"_{name}", folder / name)
            target.hidden.unlink(missing_ok=True)
            self._open[folder] = target
        return self._open[folder]

    def _truth(self, table: str, packed: Packed) -> None:
        with (self.truth / f"_{table}.jsonl.gz").open("ab") as file:
            file.write(packed.data)
        self.gold_rows[table] += packed.lines

    def write_document(self, name: str, document: Mapping[str, object]) -> None:
        """A small JSON document of truth."""
        hidden = self.truth / f"_{name}.json"
        hidden.write_text(
            json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8"
        )

    def finish(self) -> int:
        """Make all files visible and return how many landed."""
        finished = [*self._finished, *self._open.values()]
        for target in sorted(finished, key=lambda target: target.final):
            publish(target.hidden, target.final)
        for hidden in sorted(self.truth.glob("_*")):
            publish(hidden, hidden.with_name(hidden.name[1:]))
        return len(finished)


def read_gold(truth: Path, table: str) -> Iterator[Row]:
    """Rows of one table of truth, for tests and benchmarks; none when nothing of the kind was planted."""
    path = truth / f"{table}.jsonl.gz"
    if not path.exists():
        return
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
