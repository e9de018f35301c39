"""The bias report: each bias is told where it acts alone, none where none acts; estimates against closed forms."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import beta, chi2, t
from statsmodels.stats.meta_analysis import combine_effects

from infra.lake import Lake
from infra.sandbox import SandboxSettings, generate
from infra.sandbox.scenarios import SCENARIOS, scenario
from infra.sandbox.settings import PlantingSettings
from infra.sandbox.writer import read_gold
from jobs.signals.bias import measure
from jobs.signals.features import asks
from models.signals.contrasts import Statistic, odds_ratio, report, tau, tau_interval
from models.text.sentiment import sentiment
from tests.conftest import migrated, put, settings_for
from tests.jobs.signals.test_labels import by_the_book

ENDING = ("ending_bias", "last_response")
EVER = datetime(2030, 1, 1, tzinfo=UTC)


def fill(lake: Lake, settings: SandboxSettings, folder: Path) -> None:
    """Labels and features of a simulated product by the rules in plain Python; its topics stand in for jobs."""
    generate(settings, folder / "landing", folder / "truth", 1)
    gold = {row["turn_id"]: row for row in read_gold(folder / "truth", "turns")}
    chats: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((folder / "landing").glob("received_ds=*/*.jsonl.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            one = json.loads(line)
            if one["event_type"] in ("message", "response", "reaction"):
                moment = datetime.fromisoformat(one["event_ts"])
                payload = json.dumps(one["payload"])
                one |= {"event_ts": moment, "payload": payload, "turn_id": one.get("turn_id")}
                chats[one["conversation_id"]].append(one)
    labels: list[dict[str, Any]] = []
    features: list[dict[str, Any]] = []
    for name, events in chats.items():
        known = by_the_book(events, EVER)
        session, place, last, said = 0, 0, None, ""
        for one in sorted(events, key=lambda each: (each["event_ts"], each["event_id"])):
            if one["event_type"] == "reaction":
                continue
            if last is not None and one["event_ts"] - last >= timedelta(minutes=30):
                session, place = session + 1, 0
            last = one["event_ts"]
            text = json.loads(one["payload"])["text"]
            if one["event_type"] == "message":
                said, place = text, place + 1
                continue
            truth = gold[one["turn_id"]]
            turn = {"turn_id": one["turn_id"], "ds": one["event_ts"].date()}
            is_final = known[one["turn_id"]]["replied_in_session"] is not None
            labels.append(
                turn
                | known[one["turn_id"]]
                | {
                    "user_id": one["user_id"], "session_id": f"{name}#{session}", "session_turn_index": place,
                    "is_final": is_final, "source": one["source"], "model_version": one["model_version"],
                    "response_ts": one["event_ts"], "observed_until_ts": EVER,
                }
            )  # fmt: skip
            features.append(
                turn
                | {
                    "jtbd": truth["topic"], "prior_sentiment": sentiment(said, truth["language"]) if said else None,
                    "response_words": len(text.split()), "is_question": asks(text),
                }
            )  # fmt: skip
    put(lake, "signals.labels", labels)
    put(lake, "signals.features", features)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Statistic]]:
    """Scenario to its report."""
    plain = PlantingSettings(
        late_events=0, malformed_lines=0, duplicate_events=0, conflicting_duplicates=0, bots=0
    )
    base = SandboxSettings(
        turns=5000, days=2, experiment=None, languages={"en": 1.0}, planted=plain, internal_share=0.0, seed=3
    )
    found: dict[str, list[Statistic]] = {}
    for name in SCENARIOS:
        settings = settings_for(tmp_path_factory.mktemp(name))
        migrated(settings)
        fill(Lake.of(settings), scenario(name, base), settings.home)
        found[name] = measure(Lake.of(settings))
    return found


# Withheld thumbs wait for the end, and land on a turn whose message says how the response before was liked.
ALSO = {"delayed_feedback": {"ending_bias", "prior_sentiment"}}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_bias_is_told_where_it_acts_and_no_other(reports: dict[str, list[Statistic]], name: str) -> None:
    present = {one.bias for one in reports[name] if one.status == "present"}
    assert present - ALSO.get(name, set()) == ({name} if name != "fair" else set())


def test_every_estimate_lies_in_its_interval(reports: dict[str, list[Statistic]]) -> None:
    for one in (line for lines in reports.values() for line in lines if line.estimate is not None):
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.estimate <= one.high
    jobs = {one.level for one in reports["fair"] if one.level is not None}
    assert len(jobs) == 10  # the sandbox's topics


def cells(counts: dict[tuple[str, str], tuple[int, int]], times: int = 1) -> pd.DataFrame:
    """Cells of the ending contrast from (user, level) to (responses, hits)."""
    rows = [
        ("ending_bias", "last_response", level, "thumb_up", user, float(n * times), float(k * times))
        for (user, level), (n, k) in counts.items()
    ]
    return pd.DataFrame(
        rows, columns=["bias", "contrast", "level", "reaction", "user_id", "responses", "hits"]
    )


def ending(frame: pd.DataFrame) -> Statistic:
    return next(one for one in report(frame) if one.contrast == "last_response")


def test_an_odds_ratio_by_hand() -> None:
    """400 users of one response each: 60 of 150 and 50 of 250, whose log odds ratio has the textbook variance."""
    counts = {(f"l{n}", "last"): (1, int(n < 60)) for n in range(150)}
    counts |= {(f"e{n}", "earlier"): (1, int(n < 50)) for n in range(250)}
    found = ending(cells(counts))
    expected = (60 / 90) / (50 / 200)
    half = t.ppf(0.975, 399) * math.sqrt(1 / 60 + 1 / 90 + 1 / 50 + 1 / 200)
    assert found.estimate == pytest.approx(expected)
    assert found.low == pytest.approx(expected * math.exp(-half), rel=0.01)
    assert found.high == pytest.approx(expected * math.exp(half), rel=0.01)
    assert (found.responses, found.hits, found.users, found.status) == (400, 110, 400, "present")


def test_nothing_is_told_from_too_little() -> None:
    lines = report(cells({(f"u{n}", "last"): (5, 2) for n in range(15)}))
    assert {one.status for one in lines} <= {"too_few", None}
    assert all(one.estimate is None for one in lines)


counted = st.tuples(st.integers(1, 6), st.integers(0, 6)).map(lambda pair: (pair[0], min(pair)))


@given(st.lists(st.tuples(counted, counted), min_size=30, max_size=40), st.randoms(use_true_random=False))
@hypothesis_settings(max_examples=6)
def test_users_count_not_their_responses_nor_their_order(
    users: list[tuple[tuple[int, int], tuple[int, int]]], order: random.Random
) -> None:
    """A user who did the same three times over tells no more than before."""
    counts = {
        (f"u{number}", level): pair
        for number, both in enumerate(users)
        for level, pair in zip(("last", "earlier"), both, strict=True)
    }
    shuffled = cells(counts, 3).sample(frac=1, random_state=order.randrange(99))
    once, thrice = odds_ratio(ENDING, cells(counts)), odds_ratio(ENDING, shuffled)
    if once.status == "too_few":
        return
    for name in ("estimate", "low", "high", "p_value"):
        assert getattr(thrice, name) == pytest.approx(getattr(once, name), rel=1e-6), name


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Chatty users with tastes of their own (a beta spread of thumbs) and a true odds ratio of 1.5 for everybody."""
    draws = np.random.default_rng(11)
    rounds, held, truth = 300, 0, _pooled_odds_ratio()
    for _ in range(rounds):
        base = draws.beta(2, 6, 150)
        odds = base / (1 - base)
        numbers = draws.integers(1, 9, (2, 150)) * np.array([[1], [3]])
        chances = np.stack([1.5 * odds / (1 + 1.5 * odds), base])
        hits = draws.binomial(numbers, chances)
        counts = {
            (f"u{user}", level): (int(numbers[row, user]), int(hits[row, user]))
            for row, level in enumerate(("last", "earlier"))
            for user in range(150)
        }
        found = odds_ratio(ENDING, cells(counts))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.95 - 0.04 <= held / rounds <= 0.95 + 0.04


def _pooled_odds_ratio() -> float:
    """What the two groups as wholes differ by: averaging over users draws an odds ratio towards 1."""
    grid = beta(2, 6).ppf((np.arange(20_000) + 0.5) / 20_000)
    lifted = float(np.mean(1.5 * grid / (1 - grid) / (1 + 1.5 * grid / (1 - grid))))
    plain = float(np.mean(grid))
    return lifted / (1 - lifted) / (plain / (1 - plain))


def test_the_spread_is_the_library_s_and_its_interval_is_where_q_says() -> None:
    draws = np.random.default_rng(4)
    effects, variances = draws.normal(0, 0.6, 9), draws.uniform(0.01, 0.2, 9)
    library = combine_effects(effects, variances, method_re="iterated")
    assert tau(effects, variances) == pytest.approx(math.sqrt(library.tau2), rel=1e-3)
    low, high = tau_interval(effects, variances)
    assert low < tau(effects, variances) < high
    for bound, quantile in ((low, 0.975), (high, 0.025)):
        weights = 1 / (variances + bound**2)
        q = float(np.sum(weights * (effects - np.average(effects, weights=weights)) ** 2))
        assert q == pytest.approx(chi2.ppf(quantile, 8), rel=1e-6)
    assert tau_interval(np.zeros(5), np.ones(5))[0] == 0.0
