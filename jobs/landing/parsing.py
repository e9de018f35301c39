"""Goes through the lines of a landed file, whatever its zone: names each once, and bounds the refused ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar, cast

from infra.records import CUT_OFF, TOO_LARGE
from jobs.landing.lines import FURTHER_REFUSED
from jobs.landing.zone import LandingFile, Row, broken, iter_rows

_CUT_OFF = ("malformed_json", "not_utf8", TOO_LARGE, CUT_OFF)
"""Reasons that a last line without an end may have because it is half written."""


class Limits(Protocol):
    """How much of a file is read; see the settings of the same names in `landing`."""

    @property
    def max_line_bytes(self) -> int: ...
    @property
    def max_expansion(self) -> int: ...
    @property
    def max_refused_lines(self) -> int: ...


class LandedLine(Protocol):
    """A parsed line: a NamedTuple of the zone. `reason` is set if it was refused."""

    @property
    def source_file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def reason(self) -> str | None: ...


_Line = TypeVar("_Line", bound=LandedLine)


def parsed_lines(
    file: LandingFile, limits: Limits, parse: Callable[[Row], _Line], refused: Callable[[int, str], _Line]
) -> Iterator[_Line]:
    """Each line of a file, parsed, in order.

    A note on a line of an input is named by that line; a second note on it by its own place. Refused lines beyond
    `max_refused_lines` share one row, so that no file fills the quarantine.

    Args:
        parse: never raises on content.
        refused: makes the line of a number that is refused for a reason.

    Raises:
        LandingFileBroken: the file is damaged, or its last line has no end and cannot be read: half written.
    """
    origins: set[tuple[str, int]] = set()
    rows_left, first_dropped = limits.max_refused_lines, 0
    for row in iter_rows(file, limits.max_line_bytes, limits.max_expansion):
        landed = parse(row)
        if landed.source_file != file.name:
            origin = landed.source_file, landed.line
            if origin in origins:
                landed = cast(Any, landed)._replace(source_file=file.name, line=row.number)
            origins.add(origin)
        if not row.is_terminated and landed.reason in _CUT_OFF:
            raise broken(file, "stops in the middle of its last line")
        if landed.reason is not None:
            if not rows_left:
                first_dropped = first_dropped or row.number
                continue
            rows_left -= 1
        yield landed
    if first_dropped:
        yield refused(first_dropped, FURTHER_REFUSED)
