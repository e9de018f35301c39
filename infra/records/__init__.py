"""Reads records (JSON objects) from files: one reader for imports, landing, screening and lists of ids.

`layout` tells how a file is laid out and cuts it, `strict` says what a record is, `files` opens what a command was
given. All doors give the same answer: a bad record refuses itself with a reason, a damaged file is an error.
"""

from __future__ import annotations

from infra.records.files import (
    EXPANDS_TOO_FAR,
    MAX_EXPANSION,
    Record,
    bounded_rows,
    read_ids,
    read_records,
    remedy,
)
from infra.records.layout import BOM, CUT_OFF, TOO_LARGE, NotText, RawRow, cut, iter_rows
from infra.records.streams import opened
from infra.records.strict import Refused, decoded, load_object, refusal_of

__all__ = [
    "BOM", "CUT_OFF", "EXPANDS_TOO_FAR", "MAX_EXPANSION", "TOO_LARGE", "NotText", "RawRow", "Record", "Refused",
    "bounded_rows", "cut", "decoded", "iter_rows", "load_object", "opened", "read_ids", "read_records", "refusal_of",
    "remedy",
]  # fmt: skip
