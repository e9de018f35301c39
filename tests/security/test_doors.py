"""One reader behind every door: import, preferences, landing, screening and lists of ids answer alike.

Each door gets the same file. What one takes as a record all take, what one refuses all refuse, for the same reason.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import FlywheelError, LandingFileBroken
from infra.records import BOM, read_ids, read_records
from infra.settings import Settings
from jobs.annotation.importers import ImportOptions as PairOptions
from jobs.annotation.importers import import_preferences
from jobs.annotation.parse import JudgementRules
from jobs.annotation.parse import parse_file as parse_judgements
from jobs.landing.erase import Theirs, erase_lines
from jobs.landing.zone import LandingFile, day_folder
from jobs.traffic.importers import ImportOptions as ChatOptions
from jobs.traffic.importers import import_logs
from models.screening import verdict as verdict_module
from models.screening.detection import Findings
from models.screening.verdict import screen_file
from tests.conftest import REPOSITORY, examples, migrated, settings_for

DAY = date(2026, 3, 1)
FIELDS: dict[str, Any] = {
    "id": "a", "text": "hello there", "messages": [{"role": "user", "content": "hello there"}],
    "chosen": "\n\nHuman: hello\n\nAssistant: good", "rejected": "\n\nHuman: hello\n\nAssistant: bad",
    "pair_id": "p", "annotator_id": "n", "mode": "static", "source": "s", "winner": "a", "response_a": "x",
    "response_b": "y", "context": {"messages": [{"role": "user", "content": "hello"}]},
}  # fmt: skip
"""A record that every door takes."""


def record(**more: Any) -> bytes:
    return json.dumps(FIELDS | more).encode()


BAD = [
    b"{oops", b"[1]", b"7", b"\xff", b'{"a": 1', record()[:-1] + b', "z": NaN}', record()[:-1] + b', "z": 1e999}',
    record()[:-1] + b', "id": "again"}', record(note="\ud800"), record(note="x" * 9_000),
    record()[:-1] + b', "z": ' + b"[" * 80 + b"]" * 80 + b"}",
]  # fmt: skip

Outcome = tuple[int, list[str]]
"""How many records a door took, and its reasons for the others, sorted."""


NO_DETECTORS = SimpleNamespace(load=lambda _: None, versions={})


class Doors:
    """What each door says of one file."""

    def __init__(self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        migrated(settings)
        # 8 kB a record at each door; preferences are given it, chat logs and screening read it from the settings.
        landing = settings.landing.model_copy(update={"max_line_bytes": 8_000})
        self.settings = settings.model_copy(update={"landing": landing})
        self.folder = folder
        monkeypatch.setattr("jobs.traffic.importers._MESSAGES_A_LINE", 1)
        # What a detector says of a text is no matter of the reader.
        monkeypatch.setattr(verdict_module, "detectors_of", lambda _: NO_DETECTORS)
        monkeypatch.setattr(
            verdict_module, "examine", lambda questions, *_: [Findings("en") for _ in questions]
        )

    def reader(self, path: Path) -> Outcome:
        found = list(read_records(path, 8_000))
        return sum(one.reason is None for one in found), sorted(one.reason for one in found if one.reason)

    def logs(self, path: Path) -> Outcome:
        report = import_logs(self.settings, str(self.folder / "logs"), path, "openai", ChatOptions(DAY, 1))
        assert report.lines == report.conversations + report.rejected.total()
        return report.conversations, sorted(report.rejected.elements())

    def preferences(self, path: Path) -> Outcome:
        report = import_preferences(self.settings, path, PairOptions("hh-rlhf", DAY, max_line_bytes=8_000))
        assert report.lines == report.records + report.rejected.total()
        return report.pairs.total(), sorted(report.rejected.elements())

    def landing(self, path: Path) -> Outcome:
        rules = JudgementRules(8_000, b"0123456789abcdef")
        found = list(parse_judgements(self.landed(path), rules))
        return sum(one.reason is None for one in found), sorted(one.reason for one in found if one.reason)

    def screen(self, path: Path) -> Outcome:
        counts = screen_file(path, self.folder / "out.jsonl", self.settings)
        refused = [
            reason.partition(":")[2]
            for reason in counts.reasons.elements()
            if reason.startswith("malformed_line")
        ]
        return counts.verdicts.total() - len(refused), sorted(refused)

    def landed(self, path: Path) -> LandingFile:
        name = f"{day_folder(DAY)}/{path.name.replace('.json.', '.jsonl.').removesuffix('.json')}"
        name += "" if name.endswith((".jsonl", ".gz")) else ".jsonl"
        (self.folder / day_folder(DAY)).mkdir(exist_ok=True)
        content = path.read_bytes()
        (self.folder / name).write_bytes(content)
        return LandingFile(str(self.folder), name, DAY, len(content), 0)

    def all(self) -> dict[str, Callable[[Path], Outcome]]:
        return {
            "import": self.logs, "preferences": self.preferences, "landing": self.landing, "screen": self.screen,
        }  # fmt: skip


@pytest.fixture
def doors(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doors:
    return Doors(settings, tmp_path, monkeypatch)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


LAYOUTS: dict[str, Callable[[list[bytes]], bytes]] = {
    "lines": lambda records: b"\n".join(records) + b"\n",
    "mark": lambda records: BOM + b"\r\n".join(records) + b"\r\n",
    "blanks": lambda records: b"\n \n" + b" \n\n".join(records) + b"\t\n\n  ",
    "array": lambda records: b"[" + b",".join(records) + b"]",
    "indented": lambda records: BOM + b"[\n  " + b",\n  ".join(records) + b"\n]\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json.gz"])
def test_every_door_gives_the_same_answer(doors: Doors, tmp_path: Path, layout: str, name: str) -> None:
    # In an array what is unbalanced takes its neighbour along: those have a test of their own below the reader.
    bad = (
        BAD
        if layout in ("lines", "mark", "blanks")
        else [one for one in BAD if not one.startswith(b'{"a": 1') and one != b"{oops"]
    )
    path = write(
        tmp_path / name,
        LAYOUTS[layout]([record(), *bad, record(id="b", chosen=FIELDS["chosen"] + "!", pair_id="q")]),
    )
    expected = doors.reader(path)
    assert expected[0] == 2
    assert len(expected[1]) == len(bad)
    for door, answer in doors.all().items():
        assert answer(path) == expected, door


@given(
    st.lists(st.sampled_from([*BAD, b"", b" "]), max_size=4),
    st.sampled_from(list(LAYOUTS)),
    st.integers(0, 40),
)
@examples(80)
def test_whatever_the_file_the_doors_agree(
    tmp_path_factory: pytest.TempPathFactory, bad: list[bytes], layout: str, cut: int
) -> None:
    """Cut off or not: but for landing, which takes no file that may be half written."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("doors")
        doors = Doors(settings_for(folder), folder, patch)
        content = LAYOUTS[layout]([*bad, record()])
        path = write(folder / "a.jsonl", content[: len(content) - cut])
        expected = doors.reader(path)
        for door, answer in doors.all().items():
            with suppress(LandingFileBroken) if door == "landing" else nullcontext():
                assert answer(path) == expected, door


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (record().decode().encode("utf-16"), "is UTF-16, not UTF-8 text"),
        (b"[\xff" + gzip.compress(record())[:-3], "is truncated or damaged"),
        (gzip.compress(record()), "is gzip, not UTF-8 text"),
    ],
    ids=["UTF-16", "damaged", "gzip"],  # gzip writes the time: without names, workers collect different tests
)
def test_a_file_that_cannot_be_read_is_named_alike_at_every_door(
    doors: Doors, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / ("a.jsonl.gz" if "damaged" in words else "a.jsonl")
    path.write_bytes(content)
    for door, answer in doors.all().items():
        with pytest.raises(FlywheelError, match=words):
            answer(path)
        assert not list((tmp_path / "logs").rglob("*.gz")), door
    with pytest.raises(FlywheelError, match=words):
        erase_lines(doors.landed(path), Theirs({"ann": "u_a"}, {}, {}, {}), 8_000)
    with pytest.raises(FlywheelError, match=words):
        read_ids(str(path))


def test_a_user_is_erased_from_an_array_and_the_rest_stays_as_it_is(doors: Doors, tmp_path: Path) -> None:
    lines = [record(pair_id=f"p{n}", user_id=user) for n, user in enumerate(("bob", "ann", "cid", "ann"))]
    long = record(user_id="ann", note="x" * 9_000)
    theirs = Theirs({"ann": "u_a"}, {}, {}, {})
    tombstone = b'{"event_type": "erased"}'
    for layout in ("array", "indented", "lines"):
        path = write(tmp_path / "b.jsonl", LAYOUTS[layout]([*lines, long]))
        file = doors.landed(path)
        assert erase_lines(file, theirs, 8_000, dry_run=True) == {"u_a": 3}
        assert erase_lines(file, theirs, 8_000) == {"u_a": 3}
        kept = [lines[0], tombstone, lines[2], tombstone, tombstone]
        left = [one.value for one in read_records(tmp_path / file.name, 8_000)]
        assert left == [json.loads(line) for line in kept]
        assert erase_lines(file, theirs, 8_000) == {}


def test_no_file_of_records_is_parsed_beside_the_reader() -> None:
    """Compressed files are opened in `infra.records`; only the simulator reads what it wrote itself."""
    for folder in ("cli", "infra", "jobs", "models"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if name == "infra/sandbox/writer.py":
                continue
            calls = [
                ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call)
            ]  # fmt: skip
            assert "gzip.open" not in calls, name
            assert "json.load" not in calls, name
