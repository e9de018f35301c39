"""Lines of erased users become tombstones; every other line of a landed file is what and where it was."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import LandingFileBroken
from jobs.landing.erase import Theirs, erase_lines
from jobs.landing.lines import ERASED_USER
from jobs.landing.zone import LandingFile, landing_files
from jobs.traffic.parse import LandingRules, parse_file
from tests.conftest import examples

DAY = date(2026, 11, 20)
LIMIT = 400
RULES = LandingRules(LIMIT, timedelta(days=30), timedelta(minutes=5), b"key")
THEIRS = Theirs({"ann": "u_a", 'b"é': "u_b"}, {"talk-a": "u_a"}, {"turn-a": "u_a"}, {"persona-a": "u_a"})


def landed(folder: Path, content: bytes, name: str = "a.jsonl") -> LandingFile:
    place = folder / f"received_ds={DAY}"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return next(file for file in landing_files(str(folder), DAY) if file.name.endswith(name))


def content_of(file: LandingFile) -> bytes:
    read = (Path(file.root) / file.name).read_bytes()
    return gzip.decompress(read) if file.name.endswith(".gz") else read


def event(**fields: Any) -> bytes:
    return json.dumps({"event_type": "message", "payload": {"text": "hello ann"}} | fields).encode()


THEIR_LINES = [
    event(user_id="ann"),
    event(user_id='b"é'),
    event(conversation_id="talk-a"),  # no user: refused by landing, and theirs by its conversation
    event(turn_id="turn-a", user_id=None),
    event(event_type="character_update", character_id="persona-a"),
    event(event_type="character_update", character_id="new", payload={"creator_id": "ann"}),
    b'{"user_id": "ann", "payload": {"text": "cut off',
    b'{"user_id": "b\\"\\u00e9", "payload": NaN}',
    '{"user_id": "b\\"é", "payload": NaN}'.encode(),
    b'{"user_id": "ann", "payload": {"text": "' + b"x" * 3 * LIMIT + b'"}}',
    b"x" * (LIMIT - 1) + b"ann" + b"y" * LIMIT,  # across two pieces
]
OTHER_LINES = [
    event(user_id="bob"),
    event(
        user_id="bob", conversation_id="talk-a"
    ),  # another user's, whatever the lake knew of the conversation
    event(user_id="bob", character_id="persona-a"),
    event(),
    b"",
    b"\xff\xfe not text",
    b"[1, 2]",
    b"z" * 3 * LIMIT,
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_their_lines_go_and_all_others_stay_where_they_were(tmp_path: Path, name: str) -> None:
    lines = [line for pair in zip(THEIR_LINES, THEIR_LINES, strict=True) for line in pair]
    lines[1::2] = [OTHER_LINES[n % len(OTHER_LINES)] for n in range(len(THEIR_LINES))]
    before = b"\n".join(lines) + b"\n"
    file = landed(tmp_path, before, name)
    counted = erase_lines(file, THEIRS, LIMIT, dry_run=True)
    assert content_of(file) == before
    assert counted == {"u_a": 8, "u_b": 3}
    (Path(file.root) / file.name).chmod(0o640)
    assert erase_lines(file, THEIRS, LIMIT) == counted
    after = content_of(file).split(b"\n")
    assert after[1:-1:2] == lines[1::2]
    assert set(after[0:-1:2]) == {b'{"event_type": "erased"}'}
    assert erase_lines(file, THEIRS, LIMIT) == {}
    assert (Path(file.root) / file.name).stat().st_mode & 0o777 == 0o640
    assert [p.name for p in (tmp_path / f"received_ds={DAY}").iterdir()] == [name]
    [again] = landing_files(str(tmp_path), DAY)
    fates = {one.line: one.reason for one in parse_file(again, RULES)}
    assert [fates[1 + 2 * n] for n in range(len(THEIR_LINES))] == [ERASED_USER] * len(THEIR_LINES)
    assert all(line % 2 for line, reason in fates.items() if reason == ERASED_USER)


def test_a_byte_order_mark_hides_nobody_and_accuses_nobody(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    theirs = landed(
        tmp_path, mark + event(conversation_id="talk-a") + b"\n"
    )  # known by the conversation alone
    assert erase_lines(theirs, THEIRS, LIMIT) == {"u_a": 1}
    speaks_of_them = mark + event(user_id="bob") + b"\n"
    other = landed(tmp_path, speaks_of_them, "b.jsonl")
    assert erase_lines(other, THEIRS, LIMIT) == {}
    assert content_of(other) == speaks_of_them


@given(
    st.lists(st.sampled_from([*THEIR_LINES, *OTHER_LINES]), max_size=12),
    st.booleans(),
    st.integers(150, 2_000),
)
@examples(60)
def test_what_is_nobodys_of_them_keeps_its_bytes_and_its_number(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends: bool, limit: int
) -> None:
    content = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    file = landed(tmp_path_factory.mktemp("landing"), content)
    erase_lines(file, THEIRS, limit)
    after = content_of(file).split(b"\n")
    assert len(after) == len(content.split(b"\n"))
    for old, new in zip(content.split(b"\n"), after, strict=True):
        assert new == (b'{"event_type": "erased"}' if old in THEIR_LINES else old)


def test_rows_of_parquet_are_emptied_in_their_place(tmp_path: Path) -> None:
    rows = [
        {"event_id": "1", "event_type": "message", "user_id": "ann", "payload": '{"text": "mine"}', "n": [1]},
        {"event_id": "2", "event_type": "message", "user_id": "bob", "payload": '{"text": "ours"}', "n": [2]},
        {"event_id": "3", "event_type": "character_update", "payload": '{"creator_id": "ann"}'},
    ]  # fmt: skip
    file = landed(tmp_path, b"", "a.parquet")
    path = Path(file.root) / file.name
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert erase_lines(file, THEIRS, LIMIT) == {"u_a": 2}
    empty = dict.fromkeys(rows[0], None) | {"event_type": "erased"}
    assert pq.read_table(path).to_pylist() == [empty, rows[1], empty]
    [again] = landing_files(str(tmp_path), DAY)
    assert [one.reason for one in parse_file(again, RULES)][::2] == [ERASED_USER] * 2


def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = landed(tmp_path, event(user_id="ann") * 400, "a.jsonl.gz")
    path = Path(file.root) / file.name
    path.write_bytes(path.read_bytes()[:-20])
    cut = path.read_bytes()
    with pytest.raises(LandingFileBroken, match=r"a\.jsonl\.gz is truncated or damaged"):
        erase_lines(file, THEIRS, LIMIT)
    assert path.read_bytes() == cut
    (path.parent / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(LandingFileBroken, match=r"b\.parquet"):
        erase_lines(next(f for f in landing_files(str(tmp_path), DAY) if "parquet" in f.name), THEIRS, LIMIT)
