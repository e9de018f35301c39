"""Biases of predictions: planted ones are told, honest predictions tell none, and the cells are those of the view."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from infra.lake import Lake
from infra.lake.sql import connect
from models.signals.bias import bias_report, cells
from tests.conftest import put


def sessions(seed: int, users: int = 250) -> pd.DataFrame:
    """Two sessions a user, of three to six responses; everything about them is drawn without regard to anything."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for user in range(users):
        for number in range(2):
            length = int(random.integers(3, 7))
            for place in range(length):
                rows.append(
                    {
                        "turn_id": f"t{len(rows)}", "user_id": f"u{user}", "session_id": f"s{user}-{number}",
                        "session_turn_index": place + 1, "replied_in_session": place + 1 < length,
                        "jtbd": str(random.choice(["planning", "role_play", "advice", "(unjudged)"])),
                        "prior_sentiment": None if random.random() < 0.1 else round(float(random.uniform(-1, 1)), 2),
                        "response_words": int(random.integers(1, 40)), "is_question": bool(random.random() < 0.3),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def logistic(value: Any) -> Any:
    return 1 / (1 + np.exp(-value))


def last_of(rows: pd.DataFrame) -> Any:
    return ~rows.replied_in_session.to_numpy(bool)


PLANTED = {
    "ending_bias": lambda rows: 0.8 * last_of(rows),
    "delayed_feedback": lambda rows: -0.9 * (rows.session_turn_index == 1).to_numpy() * ~last_of(rows),
    "prior_sentiment": lambda rows: 0.8 * (rows.prior_sentiment.fillna(0).to_numpy() > 0),
    "positive_negative_ratio": lambda rows: 1.2 * (rows.jtbd == "role_play").to_numpy(),
}


@pytest.mark.parametrize("bias", [*PLANTED, "none"])
def test_a_bias_that_was_planted_in_predictions_is_told_and_no_other(bias: str) -> None:
    rows = sessions(1)
    random = np.random.default_rng(2)
    logits = -1 + random.normal(0, 0.3, len(rows)) + (PLANTED[bias](rows) if bias in PLANTED else 0)
    labels = random.random(len(rows)) < 0.3
    lines = bias_report("thumb_up", rows, logistic(logits), labels)
    present = {one.predicted.bias for one in lines if one.predicted.status == "present"}
    # The first response is one of the earlier ones that the last is held against.
    assert present - ({"ending_bias"} if bias == "delayed_feedback" else set()) == {bias} - {"none"}
    assert not [one for one in lines if one.labelled.status == "present"]


@pytest.mark.filterwarnings("ignore:Perfect separation")
def test_a_planted_ratio_by_hand() -> None:
    """Every last response is given .4, every other .2: an odds ratio of (.4/.6) / (.2/.8), known exactly."""
    rows = sessions(3)
    probabilities = np.where(last_of(rows), 0.4, 0.2)
    lines = bias_report("love", rows, probabilities, probabilities > 0.3)
    ending = next(one.predicted for one in lines if one.predicted.contrast == "last_response")
    assert ending.estimate == pytest.approx((0.4 / 0.6) / (0.2 / 0.8))
    assert ending.hits == round(probabilities.sum())


@pytest.mark.filterwarnings("ignore:Perfect separation")
def test_the_end_is_what_continuing_is_about() -> None:
    rows = sessions(4)
    continued = ~last_of(rows)
    lines = bias_report("continued", rows, np.where(continued, 0.8, 0.3), continued)
    ending = next(one.predicted for one in lines if one.predicted.contrast == "last_response")
    assert ending.status is None
    assert ending.estimate is not None
    assert ending.estimate < 0.2


def test_cells_are_those_of_the_view(lake: Lake) -> None:
    """The groups that labels are counted in by `views.signal_bias_cells`, for the contrasts that both have."""
    rows = sessions(5, 30)
    closed = {"observed_until_ts": datetime(2026, 11, 22, tzinfo=UTC)}
    thumbs = np.random.default_rng(6).random(len(rows)) < 0.3
    put(
        lake,
        "signals.labels",
        [
            {**one, "is_final": True, "source": "user", "thumb_up": bool(up), "thumb_down": False, **closed}
            for one, up in zip(rows.to_dict("records"), thumbs, strict=True)
        ],
    )
    put(lake, "signals.features", [_known(one) for one in rows.to_dict("records")])
    asked = "SELECT * FROM views.signal_bias_cells WHERE reaction = 'thumb_up'"
    with connect(lake, asked) as connection:
        view = connection.execute(asked).df()
    keys = ["bias", "contrast", "level", "user_id"]
    ours = cells(rows, "thumb_up", thumbs.astype(float))
    assert len(set(view.contrast)) == 5
    ours = ours[ours.contrast.isin(set(view.contrast))]
    expected = view.groupby(keys)[["responses", "hits"]].sum().astype(float)
    pd.testing.assert_frame_equal(
        ours.set_index(keys)[["responses", "hits"]].sort_index(), expected.sort_index()
    )


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """NULL, where pandas has NaN."""
    return {
        name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()
    }
