"""Times as logs write them; those that cannot be right count as missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import SettingsError
from jobs.traffic.importers.times import TimeRules, UnreadableTime, zone_of
from tests.jobs.traffic.importers.conftest import Imports

MOMENT = datetime(2025, 3, 9, 7, 5, 6, 250_000, tzinfo=UTC)
SECONDS = 1_741_503_906
RULES = TimeRules()


@pytest.mark.parametrize(
    "written",
    [
        SECONDS + 0.25, f"{SECONDS}.25", SECONDS * 1000 + 250, f"{SECONDS}250", SECONDS * 10**6 + 250_000,
        f"{SECONDS}250000", SECONDS * 10**9 + 250_000_000, f" {SECONDS}250000000 ", "2025-03-09T07:05:06.25Z",
        "2025-03-09 07:05:06.250 UTC", "2025-03-09 07:05:06.25 GMT", "2025-03-09T07:05:06.250000000Z",
        "2025-03-09T08:05:06.250+01:00", "20250309T070506.25Z", "2025-03-09 07:05:06.25UTC", MOMENT,
        "2025-03-09 07:05:06.25",
    ],
)  # fmt: skip
def test_one_moment_in_all_spellings(written: object) -> None:
    assert RULES.read(written) == MOMENT


@pytest.mark.parametrize(
    "written",
    [
        "Sun, 09 Mar 2025 07:05:06 GMT",
        "Sun, 09 Mar 2025 08:05:06 +0100",
        "20250309070506",
        SECONDS,
        str(SECONDS),
    ],
)
def test_whole_seconds(written: object) -> None:
    assert RULES.read(written) == MOMENT.replace(microsecond=0)


def test_a_time_without_an_offset_is_of_the_zone_given() -> None:
    berlin = TimeRules(ZoneInfo("Europe/Berlin"))
    assert berlin.read("2025-03-09 08:05:06.25") == berlin.read("2025-03-09T07:05:06.25Z") == MOMENT
    assert berlin.read(SECONDS + 0.25) == MOMENT
    assert zone_of("UTC") is UTC
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(SettingsError, match="time zone"):
            zone_of(name)


@pytest.mark.parametrize(
    "absurd",
    [
        0, "0", -1, 1, "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 86_400_000, 10**30, 1e300, -(10**25),
        "99999999999999999999999", "9999-12-31T23:59:59-14:00", "1699-12-31", 253_402_300_799,
        pytest.param((datetime.now(UTC) + timedelta(days=3)).isoformat(), id="in three days"),
    ],
)  # fmt: skip
def test_a_time_before_2000_or_after_tomorrow_is_none(absurd: object) -> None:
    assert RULES.read(absurd) is None


@pytest.mark.parametrize(
    "other", ["soon", "", True, [], {}, None, "12:30", "1e9", "nan", "9" * 65, "2025-13-40"]
)
def test_what_is_no_time_is_said(other: object) -> None:
    with pytest.raises(UnreadableTime):
        RULES.read(other)


@given(st.datetimes(datetime(2000, 1, 2), datetime(2026, 1, 1)), st.sampled_from([1, 1_000, 10**6, 10**9]))
def test_every_unit_of_every_day_since_2000_is_told_by_its_size(moment: datetime, scale: int) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    count = int(moment.timestamp()) * scale
    assert RULES.read(count) == RULES.read(str(count)) == moment


@given(st.text(max_size=30) | st.integers() | st.floats() | st.none() | st.binary(max_size=5))
def test_any_value_is_a_time_none_or_refused(value: Any) -> None:
    try:
        moment = RULES.read(value)
    except UnreadableTime:
        return
    assert moment is None or datetime(2000, 1, 1, tzinfo=UTC) <= moment <= RULES.latest


@pytest.mark.parametrize("absurd", [0, "1969-12-31T23:59:59Z", 4_102_444_800, 10**25])
def test_an_absurd_time_moves_no_other_conversation(absurd: object, imports: Imports) -> None:
    def line(name: str, at: object) -> dict[str, Any]:
        said = [{"role": "user", "content": name}, {"role": "assistant", "content": "ok"}]
        return {"id": name, "created_at": at, "messages": said}

    good = [line(f"g{n}", f"2026-03-0{n}T08:00:00Z") for n in range(1, 8)]
    found = imports({"a.jsonl": [line("bad", absurd), *good]})
    starts = {event["conversation_id"]: event["event_ts"] for event in reversed(found.events)}
    assert [starts[f"g{n}"] for n in range(1, 8)] == [f"2026-03-0{n}T08:00:00+00:00" for n in range(1, 8)]
    assert found.report.unusable_times == 1
    assert "1 time(s) before 2000 or after tomorrow count as missing" in str(found.report)
    assert found.report.synthetic["start"] == 1
