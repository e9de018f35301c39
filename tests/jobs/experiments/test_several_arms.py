"""Users who saw several arms: dropped from all of them, or counted in the first one seen, as the definition says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from tests.jobs.experiments.conftest import START, date_of, declared, eleven_users, exposed, messages
from tests.jobs.experiments.test_readouts import Found, numbers, read_out

END = date_of(1)


def users_of(found: Found, basis: str) -> dict[str, int]:
    return next(dict(one.users) for one in found[0] if (one.segment, one.basis) == ("all", basis))


@pytest.fixture(scope="module")
def by_hand(spark: SparkSession) -> Found:
    return read_out(spark, eleven_users(), declared(several_arms="first_arm"))[END]


def test_who_saw_two_arms_counts_in_the_first_by_hand(by_hand: Found) -> None:
    """User h saw test on the first day and control on the second: 1 message, then 9."""
    assert users_of(by_hand, "exposed") == {"control": 4, "test": 4}
    assert users_of(by_hand, "in_several_arms") == {"control": 0, "test": 0}
    assert users_of(by_hand, "assigned") == {"control": 6, "test": 5}
    plain = by_hand[1]["all", "test", "breadth", "plain"]
    # Of two days: test e 2, f 1, g 1, h 2; control as without h.
    assert numbers(plain)[0] == pytest.approx(6 / 8)
    assert numbers(plain)[2:] == pytest.approx([5 / 8, 11 / 192])
    # Messages of who sent any: test 4, 5, 1, 10.
    assert numbers(by_hand[1]["all", "test", "depth", "plain"])[0] == pytest.approx(20 / 4)


def simulated(users: int) -> list[dict[str, Any]]:
    """Both arms alike. The busier a user of the test arm, the likelier a second device shows control too."""
    rng, events = np.random.default_rng(11), []
    for n in range(users):
        arm, user, sent = ("control", "test")[n % 2], f"u{n}", int(rng.poisson(4 * rng.gamma(2, 0.5)))
        events += [exposed(user, arm, 0, 7), *messages(user, 0, 8, sent)]
        if arm == "test" and rng.random() < sent / 16:
            events.append(exposed(user, "control", 1, 7))
    return events


@pytest.mark.nightly
def test_dropping_them_makes_a_fall_that_is_not_there(spark: SparkSession) -> None:
    one_day = {"end_ds": START + timedelta(days=1), "segments": (), "bot_messages_per_day": 500}
    events = simulated(1_200)
    kept, dropped = (
        read_out(spark, events, declared(several_arms=several, **one_day))[END]
        for several in ("first_arm", "drop")
    )
    truly, apparently = (found[1]["all", "test", "mean_exposed", "plain"] for found in (kept, dropped))
    assert truly.low_pct is not None
    assert truly.high_pct is not None
    assert truly.low_pct < 0 < truly.high_pct
    assert apparently.high_pct is not None
    assert apparently.high_pct < -10
    # Each ratio is tested on those who are read out: dropping some of one arm breaks it, and says so.
    alarms = {
        name: {one.basis for one in found[0] if one.segment == "all" and one.sample_ratio_alarm}
        for name, found in (("kept", kept), ("dropped", dropped))
    }
    assert alarms == {"kept": set(), "dropped": {"exposed"}}
    assert users_of(kept, "exposed") == users_of(kept, "assigned") == {"control": 600, "test": 600}


def test_the_rule_leaves_other_exclusions_as_they_are(by_hand: Found) -> None:
    for basis, users in (("bot", {"control": 1, "test": 0}), ("internal", {"control": 0, "test": 1}),
                         ("ineligible", {"control": 1, "test": 0})):  # fmt: skip
        assert users_of(by_hand, basis) == users
