"""Where each record of a file begins and ends: lines, arrays, indented objects, whole or cut off."""

from __future__ import annotations

import io
import json
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.records import BOM, CUT_OFF, NotText, RawRow, cut, iter_rows
from infra.records import layout as layout_module
from tests.conftest import examples


def stream(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content), 1 << 20)  # type: ignore[arg-type]


def rows(content: bytes, limit: int = 1_000) -> list[RawRow]:
    return list(iter_rows(stream(content), limit))


def contents(content: bytes) -> list[bytes | str | None]:
    return [row.content if row.reason is None else row.reason for row in rows(content)]


def test_lines_are_numbered_blank_ones_are_no_records_and_long_ones_are_not_held() -> None:
    content = BOM + b"one\r\n" + b"x" * 3_000_000 + b"\n\n \t\n" + b"y" * 10 + b"\nend"
    assert rows(content, 10) == [
        (1, b"one", True, None),
        (2, None, True, "too_large"),
        (5, b"y" * 10, True, None),
        (6, b"end", False, None),
    ]


ONE, TWO = b'{"a": "x, ]}"}', b'{"b": [1, {"c": "\\"]"}]}'


@pytest.mark.parametrize(
    "content",
    [
        ONE + b"\n" + TWO,
        ONE + b"\r\n\r\n" + TWO + b"\r\n \n",
        b"[" + ONE + b"," + TWO + b"]",
        b"\n [" + ONE + b"\n," + TWO + b"]\n\n",
        b"[\n" + ONE + b",\n" + TWO + b"\n]\n",
        b"[\r\n  " + ONE + b",\r\n  " + TWO + b"\r\n]\r\n",
        b"[" + ONE + b",\n" + TWO + b",\n]",
        json.dumps([json.loads(ONE), json.loads(TWO)], indent=4).encode(),
        json.dumps([json.loads(ONE), json.loads(TWO)], indent=0).encode(),
        b"\n".join(json.dumps(json.loads(one), indent=2).encode() for one in (ONE, TWO)),
        b"\n\n".join(json.dumps(json.loads(one), indent="\t").encode() for one in (ONE, TWO)) + b"\n",
    ],
)
@pytest.mark.parametrize("mark", [b"", BOM])
def test_the_same_records_however_they_are_laid_out(content: bytes, mark: bytes) -> None:
    found = rows(mark + content)
    assert [json.loads(row.content or b"") for row in found] == [json.loads(ONE), json.loads(TWO)]
    assert all(row.reason is None for row in found)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        # A bad first line makes no array and no indented object of the lines after it.
        (b"[1, 2]\n" + ONE + b"\n" + TWO, [b"[1, 2]", ONE, TWO]),
        (b"[cut\n" + ONE + b"\n" + TWO, [b"[cut", ONE, TWO]),
        (b'["cut\n' + ONE, [b'["cut', ONE]),
        (b"{\n" + ONE + b"\n{\n", [b"{", ONE, b"{"]),
        (b'{"id": "cut",\n' + ONE, [b'{"id": "cut",', ONE]),
        (ONE + b'\n"text"\n' + TWO, [ONE, b'"text"', TWO]),
        # What follows an array is refused as one more, and its elements stay.
        (b"[" + ONE + b"] x", [ONE, b"x"]),
        (b"[" + ONE + b"]\n, " + TWO, [ONE, TWO]),
        # An array or object without an end.
        (b"[" + ONE + b"," + TWO, [ONE, TWO, CUT_OFF]),
        (b"[" + ONE + b",\n", [ONE, CUT_OFF]),
        (b"[" + ONE + b"," + TWO[:9], [ONE, CUT_OFF]),
        (b'[{"a": "x', [CUT_OFF]),
        (b"[\n", [CUT_OFF]),
        (b'{\n  "a": 1', [CUT_OFF]),
        (b"", []),
        (b" \n\n", []),
        (b"[]", []),
        (b"[ ]\n", []),
        (BOM, []),
        # A forgotten quote spoils no more than its line.
        (b'[{"a": "x},\n"b": 1},\n' + TWO + b"]", [b'{"a": "x},\n"b": 1}', TWO]),
    ],
)
def test_a_bad_record_spoils_only_itself(content: bytes, found: list[bytes | str]) -> None:
    assert contents(content) == found


def test_what_is_cut_off_is_marked_so_that_landing_knows_a_half_written_file() -> None:
    assert [row.is_terminated for row in rows(b"[" + ONE + b"," + TWO[:5])] == [True, False]
    assert [row.is_terminated for row in rows(ONE + b"\n" + TWO)] == [True, False]
    assert [row.is_terminated for row in rows(b"[" + ONE + b"]")] == [True]


def test_a_long_element_is_not_held_and_those_beside_it_are_read() -> None:
    found = rows(b"[" + ONE + b', {"a": "' + b"x" * 5_000_000 + b'"}, ' + TWO + b"]")
    assert [(row.number, row.reason) for row in found] == [(1, None), (2, "too_large"), (3, None)]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"a": "ß"}\n'.encode("utf-16"), "UTF-16"),
        ('{"a": "ß"}\n'.encode("utf-16-le"), "UTF-16"),
        ("[1]      ".encode("utf-16-be"), "UTF-16"),
        ("u-4711\r\n".encode("utf-16-le"), "UTF-16"),
        ("\ufeff{}".encode("utf-16-be"), "UTF-16"),
        ('{"a": 1}'.encode("utf-32"), "UTF-32"),
        (b"\x1f\x8b\x08\x00abc", "gzip"),
        (b"PK\x03\x04abc", "zip"),
        (b"PAR1abc", "Parquet"),
    ],
)
def test_another_kind_of_file_is_named(content: bytes, kind: str) -> None:
    with pytest.raises(NotText, match=f"^{kind}$"):
        rows(content)


@pytest.mark.parametrize("content", [b"\0" * 100, b"\xff\xfe not text\n", b"\xfe\xff\n", b"a\0\n", b"\0{}\n"])
def test_a_line_of_garbage_is_no_encoding(content: bytes) -> None:
    """Zeros are what a disk leaves after a power cut."""
    assert contents(content.rstrip() + b"\n" + ONE) == [content.rstrip(), ONE]


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=5),
    st.sampled_from(["lines", "array", "indented", "objects"]),
    st.integers(1, 40),
    st.booleans(),
)
@examples(300)
def test_whatever_stands_in_records_they_come_back_in_pieces_of_any_size(
    records: list[dict[str, Any]], kind: str, piece: int, ascii: bool
) -> None:
    if kind == "lines":
        text = "\n".join(json.dumps(record, ensure_ascii=ascii) for record in records)
    elif kind == "objects":
        records = [
            record for record in records if record
        ]  # an empty one is one line, and says lines if it is first
        text = "\n".join(json.dumps(record, ensure_ascii=ascii, indent=1) for record in records)
    else:
        text = json.dumps(records, ensure_ascii=ascii, indent=2 if kind == "indented" else None)
    content = text.encode()
    before = layout_module.BUFFER_BYTES
    layout_module.BUFFER_BYTES = piece  # type: ignore[misc]
    try:
        # What tells a layout is looked for in one piece.
        source = io.BufferedReader(io.BytesIO(content), max(len(content), 1))  # type: ignore[arg-type]
        found = list(iter_rows(source, 1 << 20))
        pieces = list(cut(stream(content), piece))
    finally:
        layout_module.BUFFER_BYTES = before  # type: ignore[misc]
    assert [json.loads(row.content or b"") for row in found] == records
    assert b"".join(data for _, data, _ in pieces) == content
    whole = {
        number: b"".join(data for _, data, is_content in group if is_content).strip()
        for number, group in groupby(pieces, key=lambda part: part[0])
    }
    assert {row.number: row.content for row in found} == {n: data for n, data in whole.items() if data}


@given(st.binary(max_size=60), st.sampled_from([b"", b"[", b"[{", b'{\n"', b"{}\n"]))
@examples(400)
def test_no_bytes_break_the_cutting_or_are_lost(tail: bytes, start: bytes) -> None:
    content = start + tail
    try:
        found = rows(content)
    except NotText:
        return
    assert [row.number for row in found] == sorted({row.number for row in found})
    pieces = list(cut(stream(content), 7))
    assert b"".join(data for _, data, _ in pieces) == content.removeprefix(BOM)
