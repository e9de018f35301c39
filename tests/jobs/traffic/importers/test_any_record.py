"""Whatever a record holds, its importer reads it or says why not: no record ends an import."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.traffic.importers.chat import ImportOptions, NotAChat, Source
from jobs.traffic.importers.events import Calendar, chat_events
from jobs.traffic.importers.formats import EVENTS, FORMATS, WHATSAPP, formats_of
from jobs.traffic.importers.joining import merged
from tests.conftest import examples
from tests.jobs.traffic.importers.conftest import START
from tests.jobs.traffic.importers.test_exports import ASSISTANTS, EXPORTS, name_of

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
FILES = sorted(path for path in EXPORTS.iterdir() if name_of(path.name) not in (WHATSAPP, EVENTS))


def records(text: str) -> list[dict[str, Any]]:
    """The records of an export: of an array, of a document or of lines."""
    try:
        value = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]
    return value if isinstance(value, list) else [value]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place of a value where something stands: its container and key."""
    for key in (
        list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    ):
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@examples(60)
@given(data=st.data())
def test_any_record_is_read_or_refused(path: Any, data: st.DataObject) -> None:
    record = copy.deepcopy(data.draw(st.sampled_from(records(path.read_text(encoding="utf-8")))))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(record))))
        if data.draw(st.booleans()):
            container[key] = data.draw(JSON_VALUES)
        elif isinstance(container, dict):
            del container[key]
        if not record:
            return
    formats_of(record)
    format = FORMATS[name_of(path.name)]
    source = Source("a.jsonl", 1, assistant=ASSISTANTS.get(path.name))
    try:
        if format.speakers_of is not None:
            format.speakers_of(record, source)
        chats = list(format.chats_of(record, source))
    except NotAChat:
        return
    calendar = Calendar(ImportOptions(START, 7))
    for chat in chats:
        events = list(chat_events(merged([chat]), calendar))
        assert [event["event_ts"] for event in events if event["event_type"] != "reaction"] == sorted(
            event["event_ts"] for event in events if event["event_type"] != "reaction"
        )
        json.dumps(events, allow_nan=False)


@given(
    st.lists(
        st.text(max_size=30) | st.sampled_from(["[1/2/24, 9:05] Ann: hi", "1/2/24, 9:05 PM - Ann: "]),
        max_size=5,
    )
)
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    source = Source("a.txt", 1, assistant="Ann")
    try:
        list(FORMATS[WHATSAPP].chats_of(lines, source))
    except NotAChat:
        return


@given(
    st.dictionaries(
        st.sampled_from(["messages", "input", "output", "prompt", "chats", "data", "type"]), JSON_VALUES
    )
)
def test_any_record_is_told_without_an_error(record: dict[str, Any]) -> None:
    formats_of(record)
