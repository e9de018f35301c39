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

from infra.errors import InputDamaged
from infra.lake import Lake
from infra.records import Refused
from infra.settings import Settings
from jobs.annotation import ZONE
from jobs.annotation.importers import ImportOptions, import_preferences, landed
from jobs.annotation.parse import JudgementRules, parse_file
from jobs.landing.zone import landing_days, landing_files
from jobs.traffic.importers.chat import Source
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


def lines(record: dict[str, Any], format: str) -> tuple[list[dict[str, Any]], Counter[str]]:
    """What lands of a record, and what was left out."""
    source = Source("a.jsonl", 1)
    return landed(record, options(format), KEY, source), source.skipped


def line(record: dict[str, Any], format: str) -> dict[str, Any]:
    (only,), _ = lines(record, format)
    return only


def judged(one: dict[str, Any]) -> tuple[str, str, str]:
    """(better, worse, win or tie); the answers of a tie in the order of their letters."""
    a, b, winner = one["response_a"], one["response_b"], one["winner"]
    if winner == "tie":
        return min(a, b), max(a, b), "tie"
    return (a, b, "win") if winner == "a" else (b, a, "win")


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
            {"response": "bad", "overall_score": 1.5}, {"response": "good", "overall_score": 9}]}),
        ("ultrafeedback", {"instruction": "hello", "chosen_response": "good", "rejected_response": "bad",
                           "chosen_avg_rating": 5.0, "rejected_avg_rating": 2.0}),
        ("ultrafeedback", {"prompt": "hello", "chosen": {"role": "assistant", "content": "good"},
                           "rejected": {"role": "assistant", "content": "bad"}}),
        ("openai", {"input": {"messages": HELLO, "tools": [], "parallel_tool_calls": True},
                    "preferred_output": [{"role": "assistant", "content": "good"}],
                    "non_preferred_output": [{"role": "assistant", "content": "bad"}]}),
        ("openai", {"input": {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]},
                    "preferred_output": [{"role": "assistant", "content": [{"type": "text", "text": "good"}]}],
                    "non_preferred_output": [{"role": "assistant", "content": "<think>no</think>bad"}]}),
        ("ranked", {"prompt": TALK, "answers": [{"answer": "bad", "rank": 7}, {"answer": "good", "rank": 1}]}),
        ("ranked", {"prompt": "hello", "responses": ["bad", "good"], "ranks": [2, 1]}),
        ("ranked", {"prompt": HELLO, "responses": ["good", "bad"], "ranks": ["1", "2"]}),
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
    for names in (("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"),
                  ("chosen_avg_rating", "rejected_avg_rating"), ("chosen-rating", "rejected-rating")):  # fmt: skip
        pair = {"prompt": "hello", "chosen": "x", "rejected": "y"}
        assert line(pair | dict.fromkeys(names, 7.5), "ultrafeedback")["winner"] == "tie"
        with pytest.raises(Refused, match="score_of_rejected_is_higher"):
            line(pair | {names[0]: 3, names[1]: "4.5"}, "ultrafeedback")
        # One score alone says nothing of the other side.
        assert line(pair | {names[0]: 3, names[1]: None}, "ultrafeedback")["winner"] != "tie"
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
        ("ultrafeedback", {"prompt": "a", "completions": [{"response": "x", "overall_score": 3},
                                                          {"response": "y"}]}, "fewer_than_two_completions"),
        ("ultrafeedback", {"prompt": "a", "completions": [{"response": str(n), "overall_score": n}
                                                          for n in range(13)]}, "too_many_completions"),
        ("ultrafeedback", {"prompt": "a", "completions": {}}, "wrong_type:completions"),
        ("ultrafeedback", {"completions": []}, "missing_field:prompt"),
        ("ultrafeedback", {"prompt": "a", "chosen": " x", "rejected": "x ", "score_chosen": 5, "score_rejected": 5},
         "identical_responses"),
        ("ultrafeedback", {"chosen": [{"role": "tool", "content": "x"}], "rejected": "y"}, "no_answer_at_the_end"),
        ("ultrafeedback", {"chosen": [{"role": "narrator", "content": "x"}], "rejected": "y"}, "unknown_role"),
        ("ultrafeedback", {"prompt": "a", "chosen": "x"}, "missing_field:chosen_or_rejected"),
        ("openai", {"preferred_output": [], "non_preferred_output": []}, "missing_field:input"),
        ("openai", {"input": {"messages": HELLO}, "preferred_output": [{"role": "assistant", "content": "x"}]},
         "missing_field:preferred_output_or_non_preferred_output"),
        ("openai", {"input": {"messages": HELLO}, "non_preferred_output": [{"role": "assistant", "content": "x"}],
                    "preferred_output": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}]},
         "answer_is_a_tool_call"),
        ("ranked", {"prompt": "a", "responses": ["x", "y"], "ranks": [1]}, "fewer_ranks_than_responses"),
        ("ranked", {"prompt": "a", "answers": [{"answer": "x", "rank": 1}, "y"]}, "fewer_than_two_completions"),
        ("ranked", {"answers": [{"answer": "x", "rank": 1}, {"answer": "y", "rank": 2}]}, "missing_field:messages"),
        ("native", {"pair_id": "p"}, "missing_field:winner"),
    ],
)  # fmt: skip
def test_what_is_no_pair_is_refused_with_a_reason(format: str, record: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=f"^{reason}$"):
        line(record, format)


def test_a_ranked_list_gives_each_two_of_its_answers_with_ties() -> None:
    scored = [
        {"response": text, "overall_score": score} for text, score in (("c", 3), ("a", 9), ("b", 3), ("d", 1))
    ]
    rank = [{"answer": text, "rank": rank} for text, rank in (("c", 2), ("a", 1), ("b", 2), ("d", 4))]
    for format, record in (
        ("ultrafeedback", {"instruction": "hello", "completions": scored}),
        ("ranked", {"prompt": "hello", "answers": rank}),
    ):
        found, skipped = lines(record, format)
        assert {judged(one) for one in found} == {
            ("a", "b", "win"), ("a", "c", "win"), ("a", "d", "win"), ("b", "c", "tie"), ("b", "d", "win"),
            ("c", "d", "win"),
        }  # fmt: skip
        assert len({one["pair_id"] for one in found}) == 6
        assert not skipped


def test_a_bad_answer_of_a_ranked_list_loses_no_other() -> None:
    answers = [
        {"response": "good", "overall_score": 8}, {"response": "bad", "overall_score": 2}, {"response": " good "},
        {"response": "x", "overall_score": True}, {"response": "x", "overall_score": "N/A"}, "x",
        {"response": " ", "overall_score": 9}, {"response": " good", "overall_score": 8.0},
    ]  # fmt: skip
    found, skipped = lines({"instruction": "hello", "completions": answers}, "ultrafeedback")
    assert sorted((better.strip(), worse, how) for better, worse, how in map(judged, found)) == [
        ("good", "bad", "win"), ("good", "bad", "win"),
    ]  # fmt: skip
    assert skipped == {"answer_without_score": 3, "answer_without_text": 2, "pair:identical_responses": 1}


def aspects(*ratings: object) -> dict[str, Any]:
    names = ("helpfulness", "honesty", "instruction_following", "truthfulness")
    return {name: {"Rating": rating, "Rationale": "..."} for name, rating in zip(names, ratings, strict=True)}


@pytest.mark.parametrize(
    ("fine", "ten_beats_eight", "counted"),
    [
        # The authors' own correction: up to 2 of 5 it was a 1, above 4 it is a 10, between nobody can say.
        ({"fine-grained_score": 1.0}, False, "score_10_read_as_1"),
        ({"annotations": aspects("1", "2", "2", "2")}, False, "score_10_read_as_1"),
        ({"annotations": aspects(2, 2, "N/A", 2)}, False, "score_10_read_as_1"),
        ({"fine-grained_score": 3.0}, None, "answer_with_score_10_in_doubt"),
        ({"annotations": aspects("4", "4", "4", "4")}, None, "answer_with_score_10_in_doubt"),
        ({"fine-grained_score": 4.25}, True, None),
        ({"annotations": aspects("N/A", "N/A", "N/A", "N/A")}, True, None),
        ({}, True, None),
    ],
)
def test_the_known_fault_of_scores_wins_nothing(
    fine: dict[str, Any], ten_beats_eight: bool | None, counted: str | None
) -> None:
    answers = [
        {"response": "ten", "overall_score": 10, **fine},
        {"response": "eight", "overall_score": 8, "fine-grained_score": 4.75},
        {"response": "seven", "overall_score": 7, "fine-grained_score": 1.0},
    ]
    found, skipped = lines({"instruction": "hello", "completions": answers}, "ultrafeedback")
    results = {judged(one) for one in found}
    assert ("eight", "seven", "win") in results
    assert {one for one in results if "ten" in one} == {
        True: {("ten", "eight", "win"), ("ten", "seven", "win")},
        False: {("eight", "ten", "win"), ("seven", "ten", "win")}, None: set(),
    }[ten_beats_eight]  # fmt: skip
    assert skipped == ({counted: 1} if counted else {})


CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "w"}}],
}
RESULT = {"role": "tool", "content": "42", "tool_call_id": "c1"}


def test_tool_traffic_in_a_pair_is_left_out_and_counted() -> None:
    def side(*messages: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"role": "system", "content": "be kind"}, *HELLO, *messages]

    good, bad = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
    for chosen, rejected, left_out in (
        (side(CALL, RESULT, good), side(CALL, RESULT, bad), {"tool_call": 2, "tool": 2}),
        (side(CALL, RESULT, good), side(bad), {"tool_call": 1, "tool": 1}),
        (
            side(good),
            side({**CALL, "content": ""}, {**RESULT, "role": "function"}, bad),
            {"tool_call": 1, "tool": 1},
        ),
    ):
        found, skipped = lines({"chosen": chosen, "rejected": rejected}, "ultrafeedback")
        assert judged(found[0]) == ("good", "bad", "win")
        assert found[0]["context"] == {"messages": HELLO, "system": "be kind"}
        assert skipped == left_out
    asked = [*HELLO, CALL, RESULT]
    for input in (
        {"input": {"messages": asked}},
        {"input": {"messages": [*asked, {"role": "user", "content": "hello"}]}},
    ):
        found, skipped = lines(input | {"preferred_output": [good], "non_preferred_output": [bad]}, "openai")
        assert judged(found[0]) == ("good", "bad", "win")
        assert skipped == {"tool_call": 1, "tool": 1}


@pytest.mark.parametrize(
    "prompt",
    [
        "hello", HELLO, [{"role": "system", "content": "be kind"}, *HELLO],
        [
            {"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"},
            {"role": "user", "content": " hello\n"},
        ],
    ],
)  # fmt: skip
def test_a_prompt_that_is_given_twice_stands_in_the_context_once(prompt: Any) -> None:
    before = HELLO if isinstance(prompt, str) else prompt
    system = [message for message in before if message["role"] == "system"]
    context = [message for message in before if message["role"] != "system"]

    def found(*messages: dict[str, str]) -> dict[str, Any]:
        sides = {name: [*messages, {"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
        return line({"prompt": prompt, **sides}, "ultrafeedback")["context"]

    for repeated in ([], before[-1:], before):
        got = found(*repeated)
        assert [message["content"].strip() for message in got["messages"]] == [
            m["content"].strip() for m in context
        ]
        assert ("system" in got) == bool(system)


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
