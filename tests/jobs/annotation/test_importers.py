"""Other makers' preference sets: what each format says, what is refused, where it lands; again is nothing new."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import InputDamaged, SettingsError
from infra.lake import Lake
from infra.records import Refused
from infra.settings import Settings
from jobs.annotation import ZONE
from jobs.annotation.importers import ImportOptions, import_preferences, landed, parse_batch
from jobs.annotation.parse import JudgementRules, parse_file
from jobs.landing.zone import landing_days, landing_files
from tests.conftest import migrated

KEY = b"key"
FIRST = date(2024, 9, 23)
TALK = "\n\nHuman: hello\n\nAssistant: "
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def _migrated(settings: Settings) -> None:
    """An import hashes with the lake's key."""
    migrated(settings)


def options(format: str, **more: Any) -> ImportOptions:
    return ImportOptions(format, FIRST, **more)


def line(record: dict[str, Any], format: str) -> dict[str, Any]:
    return landed(record, options(format), KEY)


def better(record: dict[str, Any], format: str) -> tuple[list[dict[str, str]], str, str]:
    """(messages, chosen, rejected) of a record."""
    one = line(record, format)
    a_won = one["winner"] == "a"
    responses = one["response_a"], one["response_b"]
    return one["context"]["messages"], responses[not a_won], responses[a_won]


@pytest.mark.parametrize(
    ("format", "record"),
    [
        ("hh-rlhf", {"chosen": TALK + "good", "rejected": TALK + "bad"}),
        ("llmbar", {"input": "hello", "output_1": "bad", "output_2": "good", "label": 2}),
        ("autoj", {"prompt": "hello", "response 1": "good", "response 2": "bad", "label": "0", "scenario": "x"}),
        ("ultrafeedback", {"prompt": "hello", "chosen": [*HELLO, {"role": "assistant", "content": "good"}],
                           "rejected": [*HELLO, {"role": "assistant", "content": "bad"}]}),
        ("ultrafeedback", {"prompt": "hello", "chosen": "good", "rejected": "bad"}),
        ("ultrafeedback", {"prompt": HELLO, "chosen": [{"role": "assistant", "content": "good"}],
                           "rejected": [{"role": "assistant", "content": "bad"}]}),
        ("ultrafeedback", {"instruction": "hello", "completions": [
            {"response": "so so", "overall_score": 5}, {"response": "bad", "overall_score": 1.5},
            {"response": "good", "overall_score": 9}]}),
    ],
)  # fmt: skip
def test_each_format_gives_the_same_pair(format: str, record: dict[str, Any]) -> None:
    assert better(record, format) == (HELLO, "good", "bad")


def test_a_transcript_keeps_its_turns() -> None:
    talk = "\n\nHuman: hi\n\nAssistant: hello\n\nthere\n\nHuman: and now?\n\nAssistant: "
    messages, chosen, _ = better({"chosen": f"{talk}one", "rejected": f"{talk}two"}, "hh-rlhf")
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == "hello\n\nthere"
    assert chosen == "one"


def test_ties_and_our_own_lines() -> None:
    tie = {"prompt": "hello", "response 1": "x", "response 2": "y", "label": 2}
    assert line(tie, "autoj")["winner"] == "tie"
    same = {"instruction": "hello", "completions": [{"response": r, "overall_score": 3} for r in "xyz"]}
    assert line(same, "ultrafeedback")["winner"] == "tie"
    own = {"pair_id": "p", "context": {"messages": HELLO}, "response_a": "zz", "response_b": "aa", "winner": "b",
           "mode": "interactive", "annotator_id": "ann", "extra": "dropped"}  # fmt: skip
    got = line(own, "native")
    assert {name: got[name] for name in own if name != "extra"} == {
        k: v for k, v in own.items() if k != "extra"
    }
    assert "extra" not in got


@pytest.mark.parametrize(
    ("format", "record", "reason"),
    [
        ("hh-rlhf", {"chosen": "Human hello", "rejected": "x"}, "no_transcript"),
        ("hh-rlhf", {"chosen": TALK + "x", "rejected": TALK.replace("hello", "bye") + "y"}, "different_contexts"),
        ("hh-rlhf", {"chosen": TALK + "x", "rejected": "\n\nHuman: hello"}, "no_answer_at_the_end"),
        ("hh-rlhf", {"chosen": TALK + "x", "rejected": TALK}, "empty_response"),
        ("hh-rlhf", {"chosen": 3, "rejected": "x"}, "wrong_type:chosen"),
        ("hh-rlhf", {"text": "x"}, "missing_field:chosen"),
        ("llmbar", {"input": "a", "output_1": "x", "output_2": "x ", "label": 1}, "identical_responses"),
        ("llmbar", {"input": "a", "output_1": "x", "output_2": "y", "label": 3}, "unknown_label"),
        ("llmbar", {"input": " ", "output_1": "x", "output_2": "y", "label": 1}, "empty_message"),
        ("autoj", {"prompt": "a", "response 1": "x", "label": 1}, "missing_field:response_2"),
        ("ultrafeedback", {"prompt": "a", "completions": [{"response": "x"}]}, "fewer_than_two_completions"),
        ("ultrafeedback", {"chosen": [{"role": "tool", "content": "x"}], "rejected": "y"}, "unknown_role"),
        ("native", {"pair_id": "p"}, "missing_field:winner"),
    ],
)  # fmt: skip
def test_what_is_no_pair_is_refused_with_a_reason(format: str, record: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=f"^{reason}$"):
        line(record, format)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_position_depends_on_the_texts_not_on_the_winner(asked: str, one: str, two: str) -> None:
    first = {"input": asked, "output_1": one, "output_2": two, "label": 1}
    same = {"input": asked, "output_1": two, "output_2": one, "label": 2}
    other = first | {"label": 2}
    try:
        lines = [line(record, "llmbar") for record in (first, same, other)]
    except (Refused, UnicodeEncodeError):
        return
    assert lines[0] == lines[1]
    assert {**lines[2], "winner": lines[0]["winner"]} == lines[0]
    assert lines[0]["winner"] != lines[2]["winner"]


def test_winners_stand_at_a_as_often_as_at_b() -> None:
    records = ({"input": f"q{n}", "output_1": "yes", "output_2": "no", "label": 1} for n in range(2000))
    at_a = sum(line(record, "llmbar")["winner"] == "a" for record in records)
    assert abs(at_a - 1000) < 4 * 500**0.5


LINES = [
    json.dumps(
        {"chosen": f"\n\nHuman: {n}\n\nAssistant: good", "rejected": f"\n\nHuman: {n}\n\nAssistant: bad"}
    )
    for n in range(6)
]
BAD = {
    b"{oops": "malformed_json",
    b"\xff\xfe": "not_utf8",
    b"[1]": "not_an_object",
    b'{"chosen": "' + b"x" * 5000 + b'"}': "too_large",
    b'{"chosen": "\\ud800"}': "bad_unicode",
}


def landed_rows(settings: Settings) -> list[tuple[date, Any]]:
    root = Lake.of(settings).landing_of(ZONE)
    rules = JudgementRules(1_000_000, settings.user_key())
    return [
        (day, one)
        for day in landing_days(root)
        for file in landing_files(root, day)
        for one in parse_file(file, rules)
    ]


def test_batches_by_order_and_every_bad_line_under_its_own_name(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "set.jsonl.gz"
    source.write_bytes(gzip.compress(b"\n".join([*map(str.encode, LINES), *BAD]) + b"\n"))
    chosen = options("hh-rlhf", batches=2, every_days=7, source="red-team", max_line_bytes=4000)
    report = import_preferences(settings, source, chosen)
    assert report.pairs == {FIRST: 6}
    assert report.rejected == Counter(BAD.values())
    assert report.lines == 11
    rows = landed_rows(settings)
    assert Counter(day for day, _ in rows) == {FIRST: 6, date(2024, 9, 30): 5}
    refused = {(one.source_file.split("!")[1], one.line): one.reason for _, one in rows if one.reason}
    assert refused == {("set.jsonl.gz", 7 + n): f"import:{why}" for n, why in enumerate(BAD.values())}
    assert {one.judgement.source for _, one in rows if one.judgement} == {"red-team"}
    files = {path: path.stat().st_mtime_ns for path in Path(Lake.of(settings).landing).rglob("*.gz")}
    import_preferences(settings, source, chosen)
    assert {path: path.stat().st_mtime_ns for path in Path(Lake.of(settings).landing).rglob("*.gz")} == files


def test_two_files_of_one_name_both_land(settings: Settings, tmp_path: Path) -> None:
    for name, content in (("one", LINES[:2]), ("two", LINES[2:5])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test.jsonl").write_text("\n".join(content) + "\n")
        import_preferences(settings, tmp_path / name / "test.jsonl", options("hh-rlhf"))
    assert len(landed_rows(settings)) == 5


def test_an_element_of_a_json_array_refuses_itself_and_a_cut_gzip_all(
    settings: Settings, tmp_path: Path
) -> None:
    records = [{"input": "q", "output_1": "x", "output_2": "y", "label": 1}, 3]
    (tmp_path / "set.json").write_text(json.dumps(records))
    assert import_preferences(settings, tmp_path / "set.json", options("llmbar")).rejected == {
        "not_an_object": 1
    }
    (tmp_path / "cut.json").write_text(json.dumps(records)[:-4])
    report = import_preferences(settings, tmp_path / "cut.json", options("llmbar", source="cut"))
    assert (report.pairs.total(), report.rejected) == (1, {"cut_off": 1})
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress("\n".join(LINES).encode())[:-20])
    with pytest.raises(InputDamaged, match=r"cut\.jsonl\.gz is truncated"):
        import_preferences(settings, tmp_path / "cut.jsonl.gz", options("hh-rlhf"))
    assert len(landed_rows(settings)) == 4
    landed = [path for path in Path(Lake.of(settings).landing).rglob("*") if path.is_file()]
    assert landed
    assert all(path.name.endswith(".jsonl.gz") for path in landed)


@pytest.mark.parametrize("text", ["20240923", "240931", "24092", "２４０９２３", "abcdef", "-10923"])
def test_a_batch_is_a_day(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_batch(text)
    assert parse_batch("240923") == FIRST


@pytest.mark.real_data
def test_real_sets_are_read_to_the_last_record(settings: Settings, shared_data: Path) -> None:
    expected = {
        ("hh_rlhf/test.jsonl.gz", "hh-rlhf"): (2312, {"different_contexts": 5, "empty_response": 4}),
        ("llmbar/llmeval2_human.json.gz", "llmbar"): (200, {"empty_response": 1, "identical_responses": 1}),
        ("llmbar/faireval_human.json.gz", "llmbar"): (66, {}),
        ("autoj_pairwise/testdata_pairwise.jsonl.gz", "autoj"): (1392, {"empty_response": 1, "identical_responses": 9}),
    }  # fmt: skip
    for (name, format), (lines, rejected) in expected.items():
        if not (shared_data / name).exists():
            pytest.skip(f"{name} is not present")
        report = import_preferences(settings, shared_data / name, options(format))
        assert (report.lines, dict(report.rejected)) == (lines, rejected), name
        assert report.pairs.total() == lines - sum(rejected.values())
