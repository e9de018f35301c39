"""Compare a user-signal model with a preference model: ranks on the same responses, and win rates between policies.

In the paper, p(continue) and p(thumb up) agree with its preference model, in win rates between models and in their
trend over versions (section 3.5.5). Rewards of different prompts are not on one scale, so the rank correlation over
prompts mixes effects of prompts and responses. The comparison of responses to the same prompt is the one to trust.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from infra.settings import Settings
from models.signals.model import SEEN, Floats
from models.signals.ranking import LEAST_USERS, Figure, Resamples
from models.signals.rows import SignalRows


@dataclass(frozen=True)
class WinRate:
    """How often the first policy's response wins against the second's to the same turn; a tie counts half.

    Attributes:
        difference: win rate by the signal model minus win rate by the preference model.
        agrees: both models have the same winner, or none (a win rate within 0.01 of one half).
    """

    first: str
    second: str
    turns: int
    by_preference: Figure
    by_signal: Figure
    difference: Figure

    @property
    def agrees(self) -> bool | None:
        """Whether both models have the same winner; None if the data are too few."""
        if self.by_preference.value is None or self.by_signal.value is None:
            return None
        return _winner(self.by_preference.value) == _winner(self.by_signal.value)


@dataclass(frozen=True)
class Agreement:
    """Agreement of two score columns on the same responses.

    Attributes:
        spearman: rank correlation over all responses.
        pairs: pairs of responses to the same turn that neither model scores equally.
        alike: share of these pairs in which both models prefer the same response.
        trend: policy version, mean of the signal score, mean of the preference score.
    """

    rows: int
    users: int
    spearman: Figure
    pairs: int
    alike: Figure
    win_rates: tuple[WinRate, ...] = ()
    trend: tuple[tuple[str, Figure, Figure], ...] = ()

    def metrics(self) -> dict[str, float]:
        """Name to value, without figures that have too few data."""
        values: dict[str, float | None] = {"rows": self.rows, "users": self.users, "pairs": self.pairs}
        for name, figure in (("spearman", self.spearman), ("alike", self.alike)):
            values |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        return {name: float(value) for name, value in values.items() if value is not None}


def agreement(scores: pd.DataFrame, seed: int = 7) -> Agreement:
    """Compare a preference model with a signal model.

    Args:
        scores: one row a response: turn_id, user_id, preference, signal, and optionally `policy`, the model version
            that wrote it. Responses to the same turn are compared in pairs. Rows that lack a score are left out.
        seed: of the resampled users, which all intervals share.
    """
    scored = scores[np.isfinite(scores.preference) & np.isfinite(scores.signal)].reset_index(drop=True)
    x, y = scored.preference.to_numpy(float), scored.signal.to_numpy(float)
    users = scored.user_id.nunique()
    first, second = _pairs_of_turns(scored)
    concordance = np.sign(x[first] - x[second]) * np.sign(y[first] - y[second])
    untied = concordance != 0
    return Agreement(
        len(scored),
        users,
        _figure(scored.user_id, lambda w: spearman(x, y, w), seed),
        int(untied.sum()),
        _figure(scored.user_id.to_numpy()[first[untied]], lambda w: _mean(w, concordance[untied] > 0), seed),
        _win_rates(scored, seed) if "policy" in scored else (),
        _trend(scored, seed) if "policy" in scored else (),
    )


def spearman(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Rank correlation of weighted rows; `weights` is (resamples, rows), ties have their middle rank."""
    a, b = _ranks(x, weights), _ranks(y, weights)
    total = weights.sum(axis=1, keepdims=True)
    a = a - (weights * a).sum(axis=1, keepdims=True) / total
    b = b - (weights * b).sum(axis=1, keepdims=True) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))
        return np.asarray((weights * a * b).sum(axis=1) / norm)


def compare(settings: Settings, reward: str, signal: str, rows: SignalRows, longest: int = 512) -> Agreement:
    """Score the evaluation users' responses with two registered models, and store the figures on the reward's version.

    Args:
        reward, signal: `name@alias` or `name/3` of a pointwise reward model and of a signal model.
        longest: most tokens of a sequence.

    Raises:
        ModelUnknown: there is no such version.
    """
    import pyarrow.compute as pc

    from models.registry import tracking
    from models.registry.register import fetch
    from models.signals.transformer import Transformer

    table = rows.table.filter(pc.equal(rows.table["split"], "evaluation"))
    scored = {
        name: Transformer(fetch(settings, model), longest).logits(table.select(SEEN))
        for name, model in (("preference", reward), ("signal", signal))
    }
    ids = {name: table[name].to_pylist() for name in ("turn_id", "user_id")}
    result = agreement(pd.DataFrame({**ids, **scored, "policy": table["model_version"].to_pylist()}))
    reward_version, signal_version = (
        tracking.version_of(settings, reward),
        tracking.version_of(settings, signal),
    )
    with tracking.registry_errors(settings):
        tracking.client(settings).set_model_version_tag(
            reward_version.name,
            reward_version.version,
            f"agreement.{signal_version.name}.{signal_version.version}",
            json.dumps(result.metrics()),
        )
    return result


def _ranks(values: Floats, weights: Floats) -> Floats:
    order = np.argsort(values, kind="stable")
    _, level = np.unique(values, return_inverse=True)
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    cumulative = np.cumsum(weights[:, order], axis=1)[:, ends]
    below = np.concatenate([np.zeros((len(weights), 1)), cumulative[:, :-1]], axis=1)
    return np.asarray(((below + cumulative) / 2)[:, level])


def _pairs_of_turns(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        pair
        for positions in rows.groupby("turn_id").indices.values()
        if len(positions) > 1
        for pair in combinations(sorted(positions), 2)
    ]
    pair_positions = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return pair_positions[:, 0], pair_positions[:, 1]


def _win_rates(rows: pd.DataFrame, seed: int) -> tuple[WinRate, ...]:
    first, second = _pairs_of_turns(rows)
    policy = rows.policy.to_numpy(object)
    rates = []
    for a, b in combinations(sorted(set(policy)), 2):
        forward = (policy[first] == a) & (policy[second] == b)
        backward = (policy[first] == b) & (policy[second] == a)
        left = np.concatenate([first[forward], second[backward]])
        right = np.concatenate([second[forward], first[backward]])
        users = rows.user_id.to_numpy()[left]
        wins = {
            name: (np.sign(rows[name].to_numpy()[left] - rows[name].to_numpy()[right]) + 1) / 2
            for name in ("preference", "signal")
        }
        if len(left):
            figures = {name: _figure(users, _mean_of(outcomes), seed) for name, outcomes in wins.items()}
            difference = _figure(users, _mean_of(wins["signal"] - wins["preference"]), seed)
            turns = rows.turn_id.to_numpy()[left]
            rates.append(WinRate(a, b, len(set(turns)), figures["preference"], figures["signal"], difference))
    return tuple(rates)


def _trend(rows: pd.DataFrame, seed: int) -> tuple[tuple[str, Figure, Figure], ...]:
    return tuple(
        (
            str(policy),
            _figure(policy_rows.user_id, _mean_of(policy_rows.signal.to_numpy(float)), seed),
            _figure(policy_rows.user_id, _mean_of(policy_rows.preference.to_numpy(float)), seed),
        )
        for policy, policy_rows in rows.groupby("policy")
    )


def _figure(users: pd.Series[str] | np.ndarray, statistic: Callable[[Floats], Floats], seed: int) -> Figure:
    user_ids = np.asarray(users, dtype=object)
    if len(set(user_ids)) < LEAST_USERS:
        return Figure()
    value = float(statistic(np.ones((1, len(user_ids))))[0])
    return Resamples.of(user_ids, seed).interval(value, statistic) if np.isfinite(value) else Figure()


def _mean(weights: Floats, values: np.ndarray) -> Floats:
    return np.asarray((weights * values).sum(axis=1) / weights.sum(axis=1))


def _mean_of(values: np.ndarray) -> Callable[[Floats], Floats]:
    return lambda weights: _mean(weights, values)


def _winner(share: float) -> int:
    return 0 if abs(share - 0.5) <= 0.01 else (1 if share > 0.5 else -1)
