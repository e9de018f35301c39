"""Files as people have them: marks, encodings, members of gzip, bombs, lists of ids."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from infra.errors import InputDamaged
from infra.records import BOM, read_ids, read_records, streams

GOOD = b'{"a": 1}'


def read(path: Path, content: bytes) -> list[tuple[int, object]]:
    path.write_bytes(content)
    return [
        (number, value if reason is None else reason) for number, value, reason in read_records(path, 1_000)
    ]


@pytest.mark.parametrize(
    "last", [b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a": ', b"\xff", b'{"a": "\\ud800"}']
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n  "])
def test_a_bad_last_line_refuses_itself_with_or_without_a_newline(
    tmp_path: Path, last: bytes, end: bytes
) -> None:
    with_newline = read(tmp_path / "a.jsonl", GOOD + b"\n" + last + b"\n")
    assert read(tmp_path / "b.jsonl", GOOD + b"\n" + last + end) == with_newline
    assert with_newline[0] == (1, {"a": 1})
    assert isinstance(with_newline[1][1], str)


def test_a_good_last_line_without_a_newline_is_a_line(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", GOOD + b"\n" + GOOD) == [(1, {"a": 1}), (2, {"a": 1})]


def test_gzip_of_several_members_and_padding_is_read_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    members = [gzip.compress(BOM + GOOD + b"\n"), gzip.compress(GOOD + b"\n"), gzip.compress(GOOD)]
    assert len(read(tmp_path / "a.jsonl.gz", b"".join(members) + b"\0" * 100)) == 3
    for cut in (b"", members[0] + members[1][:-3], members[0] + b"no gzip", b"no gzip"):
        with pytest.raises(InputDamaged, match=r"^a\.jsonl\.gz is truncated or damaged"):
            read(tmp_path / "a.jsonl.gz", cut)


def test_another_encoding_is_named_with_what_to_do(tmp_path: Path) -> None:
    for content in ('{"a": 1}\r\n'.encode("utf-16"), '[{"a": 1}]'.encode("utf-16")):
        with pytest.raises(
            InputDamaged, match=r"^a\.jsonl is UTF-16, not UTF-8 text.*iconv -f UTF-16 -t UTF-8"
        ):
            read(tmp_path / "a.jsonl", content)
        with pytest.raises(InputDamaged, match=r"^a\.json\.gz is UTF-16"):
            read(tmp_path / "a.json.gz", gzip.compress(content))
    with pytest.raises(InputDamaged, match=r"is gzip.*End its name in \.gz"):
        read(tmp_path / "a.jsonl", gzip.compress(GOOD))


@pytest.mark.parametrize(
    "content", [GOOD + b"\n" + b"0\n" * 3_000_000, b"[" + b"[" * 9_000_000, b"[" + b" " * 9_000_000]
)
def test_a_bomb_is_one_refused_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(streams, "SMALL_BYTES", 1 << 18)
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(content))
    *_, last = read_records(path, 1_000, 20)
    assert last.reason == "expands_too_far"


IDS = ["u-4711", "ann@example.org", "J\u00f6rg", "007"]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(IDS).encode(),
        BOM + "\r\n".join(IDS).encode() + b"\r\n",
        ("\n\n".join(f" {user}\t" for user in IDS) + "\n\n").encode(),
        b'["u-4711", "ann@example.org", "J\\u00f6rg", "007"]',
        BOM + b'[\n  "u-4711",\n  "ann@example.org",\n  "J\\u00f6rg",\n  " 007"\n]\n',
    ],
)
def test_a_list_of_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "ids.txt").write_bytes(content)
    (tmp_path / "ids.txt.gz").write_bytes(gzip.compress(content))
    for name in ("ids.txt", "ids.txt.gz"):
        assert read_ids(str(tmp_path / name)) == (IDS, {})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert read_ids("-") == (IDS, {})


def test_a_bad_line_of_ids_refuses_itself_and_an_unreadable_list_all(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(b"ann\n\xff\xfe\n" + b"x" * 20_000 + b"\nbob")
    assert read_ids(str(path)) == (["ann", "bob"], {2: "not_utf8", 3: "too_large"})
    path.write_bytes(b'["ann", 7, null, {"id": "x"}, "", tru')
    assert read_ids(str(path)) == (
        ["ann", "7"],
        {3: "not_an_id", 4: "not_an_id", 5: "not_an_id", 6: "malformed_json", 7: "cut_off"},
    )
    # What is no JSON is an id as the product writes it, whatever it begins with.
    path.write_bytes(b"[ann]\n{bob}\n")
    assert read_ids(str(path)) == (["[ann]", "{bob}"], {})
    path.write_text("ann\n", encoding="utf-16")
    with pytest.raises(InputDamaged, match="UTF-16"):
        read_ids(str(path))
    with pytest.raises(InputDamaged, match="no file"):
        read_ids(str(tmp_path / "gone"))
