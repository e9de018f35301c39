"""What signal models learn from: every label counted once, unknown is not false, and nothing of what came later."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.errors import TrainingRefused
from infra.lake import Lake
from infra.settings import Settings
from models.chat.conversation import messages
from models.signals.model import happened, labelled
from models.signals.rows import signal_rows
from tests.conftest import migrated, put, settings_for
from tests.models.signals.product import NOON, turn


def said(number: int) -> dict[str, str]:
    return {"redacted_user_message": f"q{number}", "redacted_response": f"a{number}"}


def lake_of(
    folder: Path, turns: list[dict[str, Any]], characters: list[dict[str, Any]] | None = None
) -> Settings:
    """A lake with these turns in labels and screening; `label` and `screened` are what only one of them has."""
    settings = settings_for(folder)
    migrated(settings)
    lake = Lake.of(settings)
    plain = [{k: v for k, v in one.items() if k not in ("label", "screened")} for one in turns]
    put(
        lake,
        "signals.labels",
        [
            {**one, **all_["label"]}
            for one, all_ in zip(plain, turns, strict=True)
            if all_.get("label") is not None
        ],
    )
    put(
        lake,
        "curation.screened",
        [
            {**one, **all_["screened"]}
            for one, all_ in zip(plain, turns, strict=True)
            if all_.get("screened") is not None
        ],
    )
    put(lake, "curation.screened_characters", characters or [])
    return settings


def read(settings: Settings, **options: Any) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    with signal_rows(settings, **options) as found:
        return {row["turn_id"]: row for row in found.table.to_pylist()}, dict(found.counts)


def conversation(verdicts: str, **last: Any) -> list[dict[str, Any]]:
    """Turns a0, a1, ... of one user, `p`assed or `r`ejected, each with a thumb up that is known."""
    made = []
    for number, letter in enumerate(verdicts):
        passed = letter == "p"
        text = said(number) if passed else {"verdict": "reject"}
        made.append(turn(f"a{number}", "c", "u", number + 1, label={"thumb_up": True}, screened=text))
    made[-1] |= last
    return made


def test_every_label_is_counted_under_what_became_of_it(tmp_path: Path) -> None:
    """One turn of each fate, and the sum is the table."""
    fates = {
        "not_production": turn("f1", "c1", "u", 1, source="internal", label={}, screened=said(1)),
        "superseded": turn("f2", "c2", "u", 1, is_final=False, label={}, screened=said(1)),
        "not_screened": turn("f3", "c3", "u", 1, label={}, screened=None),
        "not_passed": turn("f4", "c4", "u", 1, verdict="review", label={}, screened={}),
        "no_message": turn("f5", "c5", "u", 0, label={}, screened={"redacted_response": "hello"}),
        "used": turn("f6", "c6", "u", 1, label={}, screened=said(1)),
        "context_later": turn("f7", "c7", "u", 2, label={}, screened=said(2)),
    }
    # A regeneration of the first response, after the second was served, and a rejected turn before one that passed.
    late = turn("x", "c7", "u", 1, response_ts=NOON + timedelta(hours=1), label=None, screened=said(1))
    rejected = conversation("rp")
    rejected[0]["label"] = None
    found, counts = read(lake_of(tmp_path, [*fates.values(), late, *rejected]))
    assert counts == {**dict.fromkeys(fates, 1), "context_unsafe": 1}
    assert set(found) == {"f6"}


def test_unknown_is_not_false(tmp_path: Path) -> None:
    turns = [
        turn(f"t{n}", f"c{n}", f"u{n}", 1, label={"love": value}, screened=said(1))
        for n, value in enumerate((True, False, None))
    ]
    with signal_rows(lake_of(tmp_path, turns)) as found:
        rows = labelled(found.table, "love")
        assert rows["turn_id"].to_pylist() == ["t0", "t1"]
        assert happened(rows, "love").tolist() == [True, False]
        assert labelled(found.table, "continued").num_rows == 0


def test_a_response_is_shown_with_what_was_there_and_nothing_after(tmp_path: Path) -> None:
    """Each prefix of a conversation, alone in a lake, gives the rows that the whole conversation gives."""
    whole, _ = read(lake_of(tmp_path / "whole", conversation("ppprpp")))
    assert set(whole) == {"a0", "a1", "a2", "a5"}
    for length in range(1, 6):
        part, _ = read(lake_of(tmp_path / str(length), conversation("ppprpp"[:length])))
        for name, row in part.items():
            assert {**row, "continued": None} == {**whole[name], "continued": None}
    spoken = [one["content"] for one in messages(whole["a2"]["context"])]
    assert spoken == ["q0", "a0", "q1", "a1", "q2"]
    assert [one["content"] for one in messages(whole["a5"]["context"])] == ["q4", "a4", "q5"]
    assert whole["a5"]["response"] == "a5"


def test_the_character_is_the_version_of_the_time_and_an_unsafe_one_excludes(tmp_path: Path) -> None:
    """Three versions: before the response, in force, and after; a fourth character did not pass."""
    versions = [
        {"character_id": "ada", "valid_from": NOON - timedelta(days=9), "valid_to": NOON - timedelta(days=3),
         "verdict": "pass", "redacted_name": "Old"},
        {"character_id": "ada", "valid_from": NOON - timedelta(days=3), "valid_to": NOON + timedelta(hours=1),
         "verdict": "pass", "redacted_name": "Ada", "redacted_traits": ["kind", "dry"]},
        {"character_id": "ada", "valid_from": NOON + timedelta(hours=1), "verdict": "pass", "redacted_name": "New"},
        {"character_id": "bad", "valid_from": NOON - timedelta(days=1), "verdict": "reject"},
    ]  # fmt: skip
    turns = [
        turn("t1", "c1", "u", 1, character_id="ada", label={}, screened=said(1)),
        turn("t2", "c2", "u", 1, character_id="bad", label={}, screened=said(1)),
        turn("t3", "c3", "u", 1, character_id="nobody", label={}, screened=said(1)),
    ]
    found, counts = read(lake_of(tmp_path, turns, versions))
    assert counts == {"used": 2, "context_unsafe": 1}
    assert messages(found["t1"]["context"])[0] == {"role": "system", "content": "Ada\nkind, dry"}
    assert messages(found["t3"]["context"]) == [{"role": "user", "content": "q1"}]


def test_days_and_versions_are_pinned_and_recorded(tmp_path: Path) -> None:
    """Rows that came later, and days that were not asked for, change nothing; the snapshots say what was read."""
    settings = lake_of(tmp_path, conversation("pp"))
    with signal_rows(settings) as first:
        pinned = {one.table: one.version for one in first.snapshots}
        before = first.table
    more = [turn("z", "c9", "u9", 1, label={}, screened=said(1))]
    lake = Lake.of(settings)
    put(lake, "signals.labels", more)
    put(lake, "curation.screened", [{**more[0], **said(1)}])
    with signal_rows(settings, versions=pinned) as again:
        assert again.table.equals(before)
        assert [str(one) for one in again.snapshots] == [str(one) for one in first.snapshots]
    assert len(read(settings)[0]) == 3
    with (
        pytest.raises(TrainingRefused, match="responses can be used"),
        signal_rows(settings, [date(2026, 1, 1)]),
    ):
        pass
    assert set(pinned) == {
        "signals.labels", "curation.screened", "curation.screened_characters", "signals.features",
    }  # fmt: skip
