"""Importers: convert preference sets in other formats to landing files of judgements. Imports no Spark.

`formats` reads one record; this module reads files, assigns pairs to batches and counts everything.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from infra.errors import SettingsError
from infra.ids import NAME_HINT, is_plain_name
from infra.lake import Lake
from infra.lake.facts import ids_are_keyed, user_key
from infra.lake.roots import make_roots
from infra.records import Refused, read_records
from infra.settings import Settings
from jobs.annotation import ZONE
from jobs.annotation.importers.formats import FIRST, FORMATS, NATIVE, TIE, Preferred
from jobs.annotation.parse import judgement_of, keyed
from jobs.landing.files import DayFiles
from jobs.landing.lines import IMPORT_REJECTED
from jobs.traffic.importers.chat import NotAChat, Source
from jobs.traffic.importers.inputs import input_files

_FIELDS = (
    "pair_id", "annotator_id", "mode", "source", "context", "response_a", "response_b", "winner", "user_id",
    "guideline_version",
)  # fmt: skip


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import. All but `max_line_bytes` affect what is written.

    Attributes:
        format: a name in `FORMATS`, or NATIVE.
        batch: day of the first batch.
        batches: into how many batches the records are cut, by their order.
        every_days: days from one batch to the next.
        mode: static or interactive; like the next three, a native line's own word wins.
        source: name of the set; names the pairs in the table and in `preferences.keep_unsafe`.
        annotator: who judged, as far as one knows: one name for the whole set.
        guideline: version of the annotation guidelines.
    """

    format: str
    batch: date
    batches: int = 1
    every_days: int = 28
    mode: str = "static"
    source: str = ""
    annotator: str = ""
    guideline: str = ""
    max_line_bytes: int = 2_000_000


@dataclass
class ImportReport:
    """Counts of an import: `lines` = `records` + the sum of `rejected`.

    Attributes:
        lines: records read.
        records: those that gave pairs; a ranked list gives several.
        pairs: judgements by batch.
        skipped: what was left out of these records, by kind: messages that are no served text, single answers of a
            ranked list, pairs whose answers are the same. `score_10_read_as_1` counts scores that were mended.
    """

    files: int = 0
    lines: int = 0
    records: int = 0
    pairs: Counter[date] = field(default_factory=Counter)
    winners: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    files_written: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Three lines for a terminal."""
        refused, skipped = (
            ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items())) or "none"
            for counts in (self.rejected, self.skipped)
        )
        batches = ", ".join(f"{day:%y%m%d} {n:,}" for day, n in sorted(self.pairs.items())) or "none"
        winners = ", ".join(f"{n:,} {winner}" for winner, n in sorted(self.winners.items()))
        return (
            f"{self.lines:,} records of {self.files} file(s) = {self.records:,} with judgements + rejected: {refused}\n"
            f"{self.pairs.total():,} judgements; winners: {winners or 'none'}; left out of records: {skipped}\n"
            f"batches: {batches}"
        )


def import_preferences(settings: Settings, path: Path, options: ImportOptions) -> ImportReport:
    """Write the judgements of a file or a directory into the landing zone, and a note for each record refused.

    The same files and options give the same bytes; nothing is visible before all was read.

    Raises:
        SettingsError: an option is not possible, or there is no file.
        InputDamaged: a file is cut short or no UTF-8; nothing was written.
    """
    lake = Lake.of(settings)
    _check(options, ids_are_keyed(lake))
    make_roots(settings)
    root = lake.landing_of(ZONE)
    files = input_files(path)
    total = sum(1 for file, _ in files for _ in read_records(file, options.max_line_bytes))
    report = ImportReport(files=len(files))
    out = DayFiles(root, f"import-{options.format}-{_digest(files, options)}")
    with out:
        for file, label in files:
            for number, record, reason in read_records(file, options.max_line_bytes):
                place = report.lines * options.batches // max(total, 1)
                day = options.batch + timedelta(days=options.every_days * place)
                report.lines += 1
                lines: list[dict[str, Any]] = []
                source = Source(label, number)
                if record is not None:
                    try:
                        lines = landed(record, options, user_key(settings), source)
                    except Refused as refused:
                        reason = str(refused)
                if not lines:
                    report.rejected[str(reason)] += 1
                    out.put(day, _rejected(label, number, str(reason)))
                    continue
                report.records += 1
                report.skipped.update(source.skipped)
                for line in lines:
                    report.pairs[day] += 1
                    report.winners[line["winner"]] += 1
                    out.put(day, line)
    report.files_written = out.files_written
    return report


def landed(
    record: Mapping[str, Any], options: ImportOptions, key: bytes, source: Source
) -> list[dict[str, Any]]:
    """The lines to land for a record, at least one; the source counts what is left out of it.

    Raises:
        Refused: it is no pair of that format, or the job would refuse all its pairs.
    """
    try:
        pairs = (
            [_native(record)]
            if options.format == NATIVE
            else [_placed(pair) for pair in FORMATS[options.format](record, source)]
        )
    except NotAChat as refused:  # a message that imports of logs refuse
        raise Refused(str(refused)) from None
    lines: list[dict[str, Any]] = []
    reasons: list[str] = []
    for pair in pairs:
        try:
            lines.append(_line(pair, options, key))
        except Refused as refused:
            reasons.append(str(refused))
    if not lines:
        raise Refused(reasons[0])
    source.skipped.update(f"pair:{reason}" for reason in reasons)
    return lines


def _line(own: Mapping[str, Any], options: ImportOptions, key: bytes) -> dict[str, Any]:
    """The line of one pair, as the job will take it. Raises Refused."""
    defaults = {
        "mode": options.mode,
        "source": options.source or options.format,
        "annotator_id": options.annotator or options.source or options.format,
        "guideline_version": options.guideline or None,
    }
    line = {**defaults, **own}
    responses = [line.get("response_a"), line.get("response_b")]
    if "pair_id" not in line and all(isinstance(response, str) for response in responses):
        # Keyed: with a plain hash, redacted text could be guessed by trying candidates.
        line["pair_id"] = "p_" + keyed(["pair", line.get("context"), sorted(map(str, responses))], key)
    judgement_of(line, key)
    return {name: line[name] for name in _FIELDS if line.get(name) is not None}


def _native(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in _FIELDS if record.get(name) not in (None, "")}


def _placed(pair: Preferred) -> dict[str, Any]:
    """The pair, with responses assigned to a and b by a hash of both, so that position does not reveal the winner."""
    low, high = sorted(pair.responses)
    digest = hashlib.sha256(json.dumps([pair.context, low, high], sort_keys=True).encode()).digest()
    a, b = (high, low) if digest[0] & 1 else (low, high)
    better = pair.responses[0 if pair.winner == FIRST else 1]
    winner = TIE if pair.winner == TIE else "a" if better == a else "b"
    return {"context": pair.context, "response_a": a, "response_b": b, "winner": winner}


def _check(options: ImportOptions, keyed_ids: bool) -> None:
    if options.format not in (*FORMATS, NATIVE):
        raise SettingsError(
            f"no importer for {options.format}",
            setting="format",
            hint=f"Available: {', '.join(FORMATS)}, {NATIVE}.",
        )
    if options.batches < 1 or options.every_days < 1:
        raise SettingsError("batches and the days between them must be at least 1", setting="batches")
    for setting, name in (("source", options.source), ("guideline", options.guideline)):
        if name and keyed_ids and not is_plain_name(name):
            raise SettingsError(
                f"the table would hold a hash instead of {name!r}, because such a name could hold an identifier",
                setting=setting, hint=NAME_HINT,
            )  # fmt: skip


def _rejected(label: str, line: int, reason: str) -> dict[str, Any]:
    return {"event_type": IMPORT_REJECTED, "origin_file": label, "origin_line": line, "reason": reason}


def _digest(files: Sequence[tuple[Path, str]], options: ImportOptions) -> str:
    """Hash of contents and options, so that two files of one name do not overwrite each other's judgements."""
    digest = hashlib.sha256(json.dumps([str(part) for part in astuple(options)]).encode())
    for path, label in files:
        digest.update(label.encode())
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()[:10]
