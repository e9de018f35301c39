"""The dataset card of pulled rows: table, version, counts by column, personal data and licence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from infra.contracts import contract
from infra.inert import visible
from models.tables.snapshot import Snapshot

LEVELS: Final = (
    "split", "dataset_id", "batch", "mode", "source", "winner", "is_first_turn", "character_id", "locale", "language",
    "jtbd", "depth_band", "quality_band", "difficulty_band", "model_version", "surface", "guideline_version", "verdict",
    "outcome", "continued", "love", "thumb_up", "thumb_down", "feedback",
)  # fmt: skip
"""Columns whose levels are counted where a table has them: the dimensions of Table 1, of judgements and of signals."""

NONE: Final = "(none)"
_OTHER: Final = "(other)"
_MAX_LEVELS: Final = 200
_MAX_SHOWN_LEVELS: Final = 20
_PII_MARK: Final = re.compile(r"(?<!\s)\s*\[pii: \w+\]$")
_PII: Final = {
    "none": "No personal data is expected in it.",
    "pseudonyms": "It holds keyed hashes that stand for users: pseudonymous, not anonymous.",
    "redacted text": "It holds text from conversations, screened, with identifiers redacted as far as detectors find "
    "them, and keyed hashes that stand for users: pseudonymous, not anonymous.",
    "raw text": "RAW: it holds text as users wrote it, before screening, with whatever personal data they wrote.",
}


@dataclass
class Tally:
    """Counts over the rows of a pull, taken batch by batch."""

    rows: int = 0
    weight: float = 0.0
    nulls: Counter[str] = field(default_factory=Counter)
    levels: dict[str, Counter[str]] = field(default_factory=dict)
    distinct: dict[str, set[str]] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch."""
        self.rows += batch.num_rows
        for name in batch.schema.names:
            column = batch[name]
            self.nulls[name] += column.null_count
            if name in ("user_id", "conversation_id", "stratum"):
                self.distinct.setdefault(name, set()).update(column.drop_null().unique().to_pylist())
            if name in LEVELS:
                counts = self.levels.setdefault(name, Counter())
                for entry in pc.value_counts(column).to_pylist():
                    counts[_level(entry["values"])] += entry["counts"]
        if "weight" in batch.schema.names:
            finite = batch["weight"].filter(pc.is_finite(batch["weight"]))
            self.weight += pc.sum(finite).as_py() or 0.0


def _level(value: object) -> str:
    return NONE if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def card(snapshot: Snapshot, schema: pa.Schema, tally: Tally, licence: str) -> dict[str, Any]:
    """The contents of card.json. The same rows give the same card, whoever pulls them and when."""
    table_contract = contract(snapshot.table)
    specs = {column.name: column for column in table_contract.columns}
    columns = [
        {
            "name": column.name, "type": str(column.type), "nulls": tally.nulls[column.name],
            "comment": _PII_MARK.sub("", specs[column.name].comment)
            if column.name in specs else "(not in the contract)",
            "pii": specs[column.name].pii if column.name in specs else "unknown",
        }
        for column in schema
    ]  # fmt: skip
    strata = {"strata": len(tally.distinct.get("stratum", ())), "weight_sum": round(tally.weight, 6)}
    return {
        "table": snapshot.table,
        "about": table_contract.comment,
        "version": snapshot.version,
        "where": snapshot.where,
        "split": snapshot.split,
        "filter_hash": snapshot.filter_hash,
        "files_hash": snapshot.files_hash,
        "rows": tally.rows,
        "users": len(tally.distinct["user_id"]) if "user_id" in tally.distinct else None,
        "conversations": len(tally.distinct["conversation_id"])
        if "conversation_id" in tally.distinct
        else None,
        "sampling": strata if "weight" in schema.names else None,
        "levels": {name: _most_frequent(tally.levels[name]) for name in LEVELS if name in tally.levels},
        "columns": columns,
        "key": list(table_contract.key),
        "root": table_contract.root,
        "pii": table_contract.pii,
        "pii_statement": _PII.get(table_contract.pii, f"Stated as: {table_contract.pii}."),
        "retention_days": table_contract.retention_days,
        "licence": licence,
    }


def _most_frequent(counts: Counter[str]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    largest = dict(ordered[:_MAX_LEVELS])
    if other_rows := sum(count for _, count in ordered[_MAX_LEVELS:]):
        largest[_OTHER] = other_rows
    return largest


def readme(facts: Mapping[str, Any], loading: str, data_files: Mapping[str, str]) -> str:
    """The card as Markdown, with the front matter that `datasets` and the hub read.

    Args:
        loading: Python code that loads the folder `DIR`.
        data_files: split name to the pattern of its files; empty if `datasets` must not look for data files.
    """
    raw_warning = [
        "> **RAW TEXT. Give access only to those who may read the restricted root of the lake.**",
        "",
    ]
    return "\n".join(
        [
            *_front_matter(facts["table"], data_files), "",
            f"# {facts['table']}@{facts['version']}", "",
            *(raw_warning if facts["root"] == "restricted" else []),
            facts["about"], "",
            *_table(("", ""), _facts(facts)), "",
            "## Load", "", "```python", loading, "```", "",
            "## Columns", "", *_columns(facts["columns"]), "",
            *_levels(facts["levels"]),
            "## Personal data and licence", "", facts["pii_statement"],
            f"The lake keeps rows for {facts['retention_days']} days. This copy is not updated: when a user is erased "
            "or the retention ends, delete it and pull again.", "",
            f"Licence: {facts['licence']}", "",
            *(f"{note}\n" for note in facts["notes"]),
            "`card.json` holds the hashes of the files.", "",
        ]
    )  # fmt: skip


def _front_matter(table: str, data_files: Mapping[str, str]) -> list[str]:
    front_matter: dict[str, Any] = {"license": "other", "license_name": "see-below", "pretty_name": table}
    if data_files:
        files = [{"split": name, "path": path} for name, path in data_files.items()]
        front_matter["configs"] = [{"config_name": "default", "data_files": files}]
    return ["---", yaml.safe_dump(front_matter, sort_keys=True).rstrip(), "---"]


def _facts(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("table", f"`{card['table']}` at version {card['version']}"),
        ("condition", f"`{_cell(card['where'])}`" if card["where"] else "none"),
        ("split", card["split"] or "both, or the table has none"),
        ("rows", f"{card['rows']:,}"),
        ("users", _count(card["users"])),
        ("conversations", _count(card["conversations"])),
        ("filter hash", f"`{card['filter_hash']}`"),
        ("hash of the version's files", f"`{card['files_hash']}`"),
        ("key", ", ".join(f"`{name}`" for name in card["key"])),
    ]
    if card["sampling"]:
        strata, weights = card["sampling"]["strata"], card["sampling"]["weight_sum"]
        facts.append(("strata", f"{strata:,}; weights add up to {weights:,.1f}"))
    return facts


def _columns(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            f"`{_cell(column['name'])}`",
            _cell(column["type"]),
            f"{column['nulls']:,}",
            column["pii"],
            _cell(column["comment"]),
        )
        for column in columns
    ]
    return _table(("column", "type", "NULL", "personal data", "meaning"), rows)


def _levels(levels: Mapping[str, Mapping[str, int]]) -> list[str]:
    if not levels:
        return []
    rows = []
    for name, counts in levels.items():
        shown = list(counts.items())[:_MAX_SHOWN_LEVELS]
        more = [f"{len(counts) - len(shown)} more in card.json"] if len(counts) > len(shown) else []
        rows.append(
            (f"`{name}`", ", ".join([*(f"{_cell(level)} {count:,}" for level, count in shown), *more]))
        )
    return ["## Levels", "", *_table(("column", "rows by level"), rows), ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _cell(text: str) -> str:
    """Text for a table cell, with markup, line breaks and cell separators escaped."""
    line = visible(" ".join(text.split()))
    return escape(line, quote=False).replace("|", "&#124;").replace("`", "&#96;")


def _count(number: int | None) -> str:
    return "unknown from these columns" if number is None else f"{number:,}"
