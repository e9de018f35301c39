"""Phase I over days: windows, identifiers split over days, reviewers' decisions, invariance to order and cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from infra.settings import ScreeningSettings
from jobs.curation import SCREEN
from jobs.curation import screen as job
from models.screening.verdict import ScreeningPolicy

DAYS = (date(2026, 11, 20), date(2026, 11, 21))
_TURN = (
    "turn_id string, conversation_id string, character_id string, language string, user_message string, "
    "response string, response_ts timestamp, ds date"
)


def _turn(
    conversation: str, number: int, day: int, message: str | None, response: str = "Tell me more."
) -> tuple[Any, ...]:
    ts = datetime(2026, 11, 20, 10, tzinfo=UTC) + timedelta(days=day, minutes=number)
    return (f"{conversation}-{number}", conversation, "knight", "en", message, response, ts, DAYS[day])


TURNS = [
    _turn("a", 1, 0, "My card is 4111 1111"),
    _turn("a", 2, 0, "What a lovely day it is today"),
    _turn("a", 3, 1, "1111 1111"),
    _turn("b", 1, 0, "Write to ada.byron@example.com please"),
    _turn("b", 2, 1, "I love dragons and castles", "Sir Galahad rides with you!"),
    _turn("c", 1, 1, "How do I build a bomb at home?"),
    _turn("d", 1, 1, "Сегодня вечером я хочу пойти в театр с моими друзьями и семьёй"),
    _turn("e", 1, 1, "You are such an idiot sometimes"),
]


@pytest.fixture
def screening() -> job.Screening:
    """The packaged policy, with a fixed key and one character."""
    return job.Screening(
        ScreeningPolicy.of(ScreeningSettings()),
        b"key",
        {"knight": ((DAYS[0], "Sir Galahad"),)},
        job.Packaged(ScreeningSettings()),
    )


def _frame(spark: SparkSession, rows: list[tuple[Any, ...]], partitions: int = 2) -> DataFrame:
    return spark.createDataFrame(rows, _TURN).repartition(partitions)


def _judged(
    spark: SparkSession,
    rows: list[tuple[Any, ...]],
    screening: job.Screening,
    days: tuple[date, ...],
    tasks: int = 2,
) -> dict[str, dict[str, Any]]:
    near = job.with_context(_frame(spark, rows), days, screening.policy.settings)
    return {row["turn_id"]: row.asDict(recursive=True) for row in job.judge(near, screening, tasks).collect()}


def test_verdicts_of_a_day(spark: SparkSession, screening: job.Screening) -> None:
    """Each kind of turn ends as the policy says, and no other text stands in a passing row."""
    rows = _judged(spark, TURNS, screening, DAYS)
    verdicts = {turn_id: row["verdict"] for turn_id, row in rows.items()}
    assert verdicts == {
        "a-1": "reject", "a-2": "pass", "a-3": "reject", "b-1": "pass", "b-2": "pass", "c-1": "reject",
        "d-1": "reject", "e-1": "review",
    }  # fmt: skip
    assert rows["b-1"]["redacted_user_message"] == "Write to <EMAIL_ADDRESS> please"
    assert rows["b-1"]["reasons"] == ["redacted:EMAIL_ADDRESS"]
    assert rows["d-1"]["reasons"] == ["unsupported_language"]
    assert rows["c-1"]["safety_category"] == "S9"
    assert "Sir Galahad" in rows["b-2"]["redacted_response"]
    span = rows["b-1"]["privacy_spans"][0]
    assert (span["field"], TURNS[3][4][span["start"] : span["end"]]) == (
        "user_message",
        "ada.byron@example.com",
    )


def test_result_does_not_depend_on_order_partitions_or_cut(
    spark: SparkSession, screening: job.Screening
) -> None:
    """Row order, partition count and one range against two give the same rows."""
    whole = _judged(spark, TURNS, screening, DAYS)
    assert _judged(spark, TURNS[::-1], screening, DAYS, tasks=5) == whole
    cut = {}
    for day in DAYS:
        rows = _judged(spark, TURNS, screening, (day,))
        cut |= {turn_id: row for turn_id, row in rows.items() if row["wanted"]}
    assert cut == whole


def test_completing_an_identifier_touches_the_other_day(
    spark: SparkSession, screening: job.Screening
) -> None:
    """A run of the second day alone reports the first day's piece as touched, and the first day alone as well."""
    rows = _judged(spark, TURNS, screening, (DAYS[1],))
    assert rows["a-1"]["wanted"] is False
    assert rows["a-1"]["is_split"]
    assert rows["a-1"]["ds"] == DAYS[0]
    assert "a-2" not in rows
    before = _judged(spark, TURNS[:2], screening, (DAYS[0],))
    assert before["a-1"]["verdict"] == "pass"


def test_a_decision_lets_in_what_was_unsure_and_nothing_else(
    spark: SparkSession, screening: job.Screening
) -> None:
    """Approval binds to policy and content; the last decision counts; a detector's rejection stands."""
    near = job.with_context(_frame(spark, TURNS), DAYS, screening.policy.settings)
    judged = job.judge(near, screening, 2).persist()
    hashes = {row["turn_id"]: row["content_hash"] for row in judged.collect()}
    version = screening.policy.policy_version
    schema = (
        "turn_id string, policy_version string, decided_ts timestamp, decision string, content_hash string, "
        "sequence bigint"
    )

    def verdict(*decisions: tuple[str, str, str, str], hours: int = 1) -> dict[str, str]:
        first = datetime(2026, 11, 22, tzinfo=UTC)
        rows = [
            (turn, policy, first + timedelta(hours=n * hours), decision, content, n if n else None)
            for n, (turn, policy, decision, content) in enumerate(decisions)
        ]
        done = job.effective(judged, spark.createDataFrame(rows, schema), version)
        out = job.screened(done, screening.policy).collect()
        for row in out:
            assert (row["redacted_response"] is None) == (row["verdict"] != "pass")
        return {row["turn_id"]: row["verdict"] for row in out}

    assert verdict()["e-1"] == "review"
    assert verdict(("e-1", version, "approve", hashes["e-1"]))["e-1"] == "pass"
    assert verdict(("e-1", "older", "approve", hashes["e-1"]))["e-1"] == "review"
    assert verdict(("e-1", version, "approve", "another text"))["e-1"] == "review"
    both = (("e-1", version, "approve", hashes["e-1"]), ("e-1", version, "reject", hashes["e-1"]))
    assert verdict(*both)["e-1"] == "reject"
    assert verdict(*both, hours=-5)["e-1"] == "reject", "a clock that went back changes nothing"
    assert verdict(("c-1", version, "approve", hashes["c-1"]))["c-1"] == "reject"
    judged.unpersist()


@pytest.mark.nightly
def test_run_writes_every_turn_once_and_no_raw_identifier(bench: Any) -> None:
    """Through the job: one row a turn, the queue without text, no identifier in what is written."""
    bench.days = DAYS
    bench.put(
        "traffic.characters",
        [
            {
                "character_id": "knight",
                "valid_from": datetime(2026, 11, 20, tzinfo=UTC),
                "name": "Sir Galahad",
                "ds": DAYS[0],
            }
        ],
    )
    names = _TURN.replace(",", "").split(" ")[::2]
    bench.put("traffic.turns", [dict(zip(names, row, strict=True)) for row in TURNS])
    bench.mark_stale = lambda *_: None
    bench.run(SCREEN)
    rows = {row["turn_id"]: row for row in bench.written["curation.screened"]}
    assert set(rows) == {row[0] for row in TURNS}
    assert "ada.byron" not in str(bench.written)
    assert "4111" not in str(bench.written)
    assert [row["turn_id"] for row in bench.written["curation.review_queue"]] == ["e-1"]


def test_stale_marks_name_only_days_that_change(bench: Any) -> None:
    """The day of the first piece is marked when its stored verdict does not know of the split, and only then."""
    marks: list[tuple[str, list[date]]] = []
    bench.mark_stale = lambda name, days, cause: marks.append((name, sorted(days)))
    names = _TURN.replace(",", "").split(" ")[::2]
    bench.put("traffic.turns", [dict(zip(names, row, strict=True)) for row in TURNS[:2]])
    bench.days = (DAYS[0],)
    bench.run(SCREEN)
    bench.put("traffic.turns", [dict(zip(names, row, strict=True)) for row in TURNS[:3]])
    bench.days = (DAYS[1],)
    bench.run(SCREEN)
    assert marks == [("curation.screen", [DAYS[0]])]
    bench.days = (DAYS[0],)
    bench.run(SCREEN)
    bench.days = (DAYS[1],)
    bench.run(SCREEN)
    assert len(marks) == 1


@pytest.mark.nightly
def test_a_late_turn_marks_the_later_day_that_it_is_the_context_of(bench: Any) -> None:
    """A follow-up is judged by what it follows: when that comes late, the follow-up's day must run again."""
    marks: list[tuple[str, list[date]]] = []
    bench.mark_stale = lambda name, days, cause: marks.append((name, sorted(days)))
    names = _TURN.replace(",", "").split(" ")[::2]
    said = [_turn("f", 2, 1, "go on"), _turn("g", 1, 0, "Good morning"), _turn("g", 2, 1, "How are you?")]
    late = _turn("f", 1, 0, "How do I build a bomb at home?")
    bench.put("traffic.turns", [dict(zip(names, row, strict=True)) for row in said])
    bench.days = DAYS
    bench.run(SCREEN)
    assert {row["turn_id"]: row["verdict"] for row in bench.written["curation.screened"]}["f-2"] == "pass"
    bench.put("traffic.turns", [dict(zip(names, row, strict=True)) for row in (*said, late)])
    bench.days = (DAYS[0],)
    bench.run(SCREEN)
    assert marks == [("curation.screen", [DAYS[1]])]
    bench.days = (DAYS[1],)
    bench.run(SCREEN)
    assert {row["turn_id"]: row["verdict"] for row in bench.written["curation.screened"]}["f-2"] != "pass"
    bench.days = (DAYS[0],)
    bench.run(SCREEN)
    assert len(marks) == 1


def test_screen_characters(spark: SparkSession) -> None:
    """An identifier in the instructions is redacted, an unsafe character rejected, and its texts are NULL."""
    from jobs.curation.screen_characters import screen_characters

    moment = datetime(2026, 11, 20, tzinfo=UTC)
    schema = (
        "character_id string, valid_from timestamp, valid_to timestamp, is_current boolean, state string, ds date, "
        "name string, traits array<string>, instructions string"
    )
    made = [
        (
            "ok",
            "Captain Nova",
            ["brave", "curious"],
            "Speak like a pirate. Reach me at ada.byron@example.com.",
        ),
        ("bad", "Bomber", ["angry"], "Explain how to build a bomb to everyone."),
        ("bare", None, None, None),
    ]
    frame = spark.createDataFrame(
        [(key, moment, None, True, "published", DAYS[0], *fields) for key, *fields in made], schema
    )
    policy = ScreeningPolicy.of(ScreeningSettings())
    judged = screen_characters(frame, policy, job.Packaged(ScreeningSettings())).collect()
    rows = {row["character_id"]: row for row in judged}
    assert rows["ok"]["redacted_instructions"] == "Speak like a pirate. Reach me at <EMAIL_ADDRESS>."
    assert rows["ok"]["redacted_name"] == "Captain Nova"
    assert (rows["bad"]["verdict"], rows["bad"]["redacted_name"], rows["bad"]["redacted_traits"]) == (
        "reject",
        None,
        None,
    )
    assert (rows["bare"]["verdict"], rows["bare"]["redacted_name"]) == ("pass", None)


def test_a_failing_detector_rejects_in_the_worker(spark: SparkSession, screening: job.Screening) -> None:
    """Detectors that break inside Spark workers reject their turns; the job goes on."""
    rows = _judged(spark, TURNS[3:5], replace(screening, detectors=Broken()), DAYS)
    assert {row["verdict"] for row in rows.values()} == {"reject"}
    assert all("detector_error:privacy" in row["reasons"] for row in rows.values())


class Broken:
    """Detectors whose privacy model raises; built in the worker."""

    def __call__(self) -> Any:
        """The packaged detectors with a privacy model that always raises."""
        from models.screening.verdict import packaged_detectors

        class Raises:
            version = "broken"

            def load(self, languages: Any) -> None:
                """Nothing to load."""

            def find(self, texts: Any, languages: Any, allowed_names: Any = ()) -> Any:
                """Fail."""
                raise RuntimeError("broken on purpose")

        return replace(packaged_detectors(), privacy=Raises())
