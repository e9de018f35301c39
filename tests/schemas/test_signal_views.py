"""Signal rates by hand and against statsmodels; what the bias report counts, on sessions written out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from infra.lake import Lake
from tests.conftest import DAY, put
from tests.schemas.test_views import view

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def labelled(number: int, user: str, **more: Any) -> dict[str, Any]:
    """One final production response, a minute after the one before."""
    return {
        "turn_id": f"t{number}", "user_id": user, "session_id": f"s-{user}", "session_turn_index": number,
        "is_final": True, "source": "user", "model_version": "V1", "language": "en", "depth_band": "1",
        "response_ts": START + timedelta(minutes=number), "observed_until_ts": START + timedelta(days=1), "ds": DAY,
    } | more  # fmt: skip


def rates(lake: Lake, where: str) -> list[dict[str, Any]]:
    return view(lake, f"SELECT * FROM views.signal_rates WHERE {where} ORDER BY level")


def test_a_rate_is_over_what_is_known_and_users_are_the_unit(lake: Lake) -> None:
    """Users a, b, c with 2 of 3, 1 of 2 and 0 of 5 thumbs up, and one response of which nobody knows."""
    given = {"a": [True, True, False], "b": [True, False], "c": [False] * 5}
    turns = [(user, thumb) for user, thumbs in given.items() for thumb in thumbs]
    put(
        lake,
        "signals.labels",
        [
            *(labelled(number, user, thumb_up=thumb) for number, (user, thumb) in enumerate(turns, 1)),
            labelled(99, "d"),
            labelled(100, "e", thumb_up=True, source="internal"),
        ],
    )
    put(lake, "signals.features", [{"turn_id": "t1", "jtbd": "advice", "ds": DAY}])
    (found,) = rates(lake, "source = 'user' AND dimension = 'all' AND signal = 'thumb_up'")
    assert [found[name] for name in ("responses", "known", "happened", "users")] == [11, 10, 3, 3]
    # The ratio of sums has the variance of its residuals per user: 2 - .9, 1 - .6, 0 - 1.5.
    variance = ((2 - 0.9) ** 2 + (1 - 0.6) ** 2 + 1.5**2) / 10**2 * 3 / 2
    effective = min(10.0, 0.3 * 0.7 / variance)
    low, high = proportion_confint(0.3 * effective, effective, method="wilson")
    assert found["rate"] == pytest.approx(0.3)
    assert (found["low"], found["high"]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    levels = rates(lake, "source = 'user' AND dimension = 'jtbd' AND signal = 'thumb_up'")
    assert [(row["level"], row["known"], row["happened"]) for row in levels] == [
        ("(unjudged)", 9, 2), ("advice", 1, 1),
    ]  # fmt: skip
    assert levels[1]["low"] is None  # one user says nothing about others
    (alone,) = rates(lake, "source = 'user' AND dimension = 'all' AND signal = 'continued'")
    assert (alone["known"], alone["rate"]) == (0, None)


def test_users_who_all_agree_are_counted_as_users_not_as_responses(lake: Lake) -> None:
    put(lake, "signals.labels", [labelled(n, f"u{n % 4}", love=False) for n in range(1, 41)])
    (found,) = rates(lake, "dimension = 'all' AND signal = 'love'")
    low, high = proportion_confint(0, 4, method="wilson")
    assert (found["known"], found["rate"]) == (40, 0)
    assert (found["low"], found["high"]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_what_the_bias_report_counts(lake: Lake) -> None:
    said = [(True, False), (False, True), (False, False), (True, False)]
    turns = [
        labelled(number, "a", thumb_up=up, thumb_down=down, replied_in_session=number < 4)
        for number, (up, down) in enumerate(said, 1)
    ]
    silent = labelled(9, "b", replied_in_session=False)  # thumbs not known: not counted at all
    unjudged = labelled(8, "c", thumb_up=True, thumb_down=False)  # neither a job nor an end is known
    put(lake, "signals.labels", [*turns, silent, unjudged])
    features = [
        {
            "turn_id": f"t{number}",
            "jtbd": "advice",
            "prior_sentiment": mood,
            "response_words": words,
            "ds": DAY,
        }
        | {"is_question": number == 2}
        for number, (mood, words) in enumerate([(0.5, 25), (-0.4, 5), (0.0, 20), (None, 3)], 1)
    ]
    put(lake, "signals.features", features)
    rows = view(
        lake, "SELECT contrast, level, reaction, responses, hits FROM views.signal_bias_cells ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("clarifying_question", "question", "thumb_up", 1, 0),
        ("clarifying_question", "statement", "thumb_up", 3, 2),
        ("first_response", "first", "thumb_down", 1, 0),
        ("first_response", "first", "thumb_up", 1, 1),
        ("first_response", "later", "thumb_down", 2, 1),
        ("first_response", "later", "thumb_up", 2, 0),
        ("last_response", "earlier", "thumb_up", 3, 1),
        ("last_response", "last", "thumb_up", 1, 1),
        ("long_response", "long", "thumb_up", 2, 1),
        ("long_response", "short", "thumb_up", 2, 1),
        ("positive_message", "negative", "thumb_up", 1, 0),
        ("positive_message", "positive", "thumb_up", 1, 1),
        ("thumbs_by_jtbd", "advice", "up_among_thumbs", 3, 2),
        ("up_among_thumbs", "earlier", "up_among_thumbs", 2, 1),
        ("up_among_thumbs", "last", "up_among_thumbs", 1, 1),
    ]


def test_a_bound_of_a_rate_is_a_rate(lake: Lake) -> None:
    """Of a rate of 0 or 1 the formula gives a bound a little outside, by rounding."""
    for users in (2, 3, 7, 40):
        rows = [
            labelled(n, f"{users}-{n}", turn_id=f"{users}-{n}", love=False, thumb_up=True, locale=f"en-{users}")
            for n in range(users)
        ]
        put(lake, "signals.labels", rows)
    found = rates(lake, "dimension = 'locale' AND signal IN ('love', 'thumb_up')")
    assert {row["level"] for row in found} == {"en-2", "en-3", "en-7", "en-40"}
    for row in found:
        assert 0 <= row["low"] <= row["rate"] <= row["high"] <= 1
