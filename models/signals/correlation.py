"""Does a user-signal model say what the preference model says? Ranks on the same responses, and who wins by either.

The paper found p(continue) and p(thumb up) in line with its preference model, by win rates between models and by their
trend over versions (section 3.5.5). Rewards of different prompts are not on one scale: the rank correlation over
prompts mixes what prompts and responses do, and pairs of responses to one prompt are what counts.
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
    """How often the first policy's response wins over the second's to the same turn, ties half.

    Attributes:
        difference: by the signal model less by the preference model.
        agrees: both see the same winner, or neither does (within a hundredth of one half).
    """

    first: str
    second: str
    turns: int
    by_preference: Figure
    by_signal: Figure
    difference: Figure

    @property
    def agrees(self) -> bool | None:
        """None where there is too little to tell."""
        if self.by_preference.value is None or self.by_signal.value is None:
            return None
        return _side(self.by_preference.value) == _side(self.by_signal.value)


@dataclass(frozen=True)
class Agreement:
    """Of two score columns on the same responses.

    Attributes:
        spearman: over all responses.
        pairs: of responses to one turn that both models tell apart; `alike`: share in which both prefer the same.
        trend: by policy version, the mean of the signal score and of the preference score.
    """

    rows: int
    users: int
    spearman: Figure
    pairs: int
    alike: Figure
    win_rates: tuple[WinRate, ...] = ()
    trend: tuple[tuple[str, Figure, Figure], ...] = ()

    def metrics(self) -> dict[str, float]:
        """Numbers by name, without what there is too little to tell."""
        told: dict[str, float | None] = {"rows": self.rows, "users": self.users, "pairs": self.pairs}
        for name, one in (("spearman", self.spearman), ("alike", self.alike)):
            told |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        return {name: float(value) for name, value in told.items() if value is not None}


def agreement(scores: pd.DataFrame, seed: int = 7) -> Agreement:
    """Compare a preference model with a signal model.

    Args:
        scores: turn_id, user_id, preference, signal; one row a response (several of a turn are compared in pairs), and
            optionally `policy`, the model version that wrote the response. Rows without either score are left out.
        seed: of the resampled users, which all intervals share.
    """
    both = scores[np.isfinite(scores.preference) & np.isfinite(scores.signal)].reset_index(drop=True)
    x, y = both.preference.to_numpy(float), both.signal.to_numpy(float)
    users = both.user_id.nunique()
    first, second = _pairs_of_turns(both)
    won = np.sign(x[first] - x[second]) * np.sign(y[first] - y[second])
    told = won != 0
    return Agreement(
        len(both),
        users,
        _figure(both.user_id, lambda w: spearman(x, y, w), seed),
        int(told.sum()),
        _figure(both.user_id.to_numpy()[first[told]], lambda w: _mean(w, won[told] > 0), seed),
        _win_rates(both, seed) if "policy" in both else (),
        _trend(both, seed) if "policy" in both else (),
    )


def spearman(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Rank correlation of rows that count `weights` (resamples, rows) times; ties have their middle rank."""
    a, b = _ranks(x, weights), _ranks(y, weights)
    total = weights.sum(axis=1, keepdims=True)
    a = a - (weights * a).sum(axis=1, keepdims=True) / total
    b = b - (weights * b).sum(axis=1, keepdims=True) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))
        return np.asarray((weights * a * b).sum(axis=1) / norm)


def compare(settings: Settings, reward: str, signal: str, rows: SignalRows, longest: int = 512) -> Agreement:
    """Score the evaluation users' responses with two registered models, and keep the figures on the reward's version.

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
        name: Transformer(fetch(settings, one), longest).logits(table.select(SEEN))
        for name, one in (("preference", reward), ("signal", signal))
    }
    ids = {name: table[name].to_pylist() for name in ("turn_id", "user_id")}
    found = agreement(pd.DataFrame({**ids, **scored, "policy": table["model_version"].to_pylist()}))
    judged, by = tracking.version_of(settings, reward), tracking.version_of(settings, signal)
    with tracking.asked(settings):
        tracking.client(settings).set_model_version_tag(
            judged.name, judged.version, f"agreement.{by.name}.{by.version}", json.dumps(found.metrics())
        )
    return found


def _ranks(values: Floats, weights: Floats) -> Floats:
    order = np.argsort(values, kind="stable")
    _, level = np.unique(values, return_inverse=True)
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    upto = np.cumsum(weights[:, order], axis=1)[:, ends]
    below = np.concatenate([np.zeros((len(weights), 1)), upto[:, :-1]], axis=1)
    return np.asarray(((below + upto) / 2)[:, level])


def _pairs_of_turns(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    found = [
        pair
        for places in rows.groupby("turn_id").indices.values()
        if len(places) > 1
        for pair in combinations(sorted(places), 2)
    ]
    made = np.array(found, dtype=np.intp).reshape(-1, 2)
    return made[:, 0], made[:, 1]


def _win_rates(rows: pd.DataFrame, seed: int) -> tuple[WinRate, ...]:
    first, second = _pairs_of_turns(rows)
    policy = rows.policy.to_numpy(object)
    found = []
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
            by = {name: _figure(users, _mean_of(won), seed) for name, won in wins.items()}
            difference = _figure(users, _mean_of(wins["signal"] - wins["preference"]), seed)
            turns = rows.turn_id.to_numpy()[left]
            found.append(WinRate(a, b, len(set(turns)), by["preference"], by["signal"], difference))
    return tuple(found)


def _trend(rows: pd.DataFrame, seed: int) -> tuple[tuple[str, Figure, Figure], ...]:
    return tuple(
        (
            str(policy),
            _figure(mine.user_id, _mean_of(mine.signal.to_numpy(float)), seed),
            _figure(mine.user_id, _mean_of(mine.preference.to_numpy(float)), seed),
        )
        for policy, mine in rows.groupby("policy")
    )


def _figure(users: pd.Series[str] | np.ndarray, statistic: Callable[[Floats], Floats], seed: int) -> Figure:
    who = np.asarray(users, dtype=object)
    if len(set(who)) < LEAST_USERS:
        return Figure()
    value = float(statistic(np.ones((1, len(who))))[0])
    return Resamples.of(who, seed).interval(value, statistic) if np.isfinite(value) else Figure()


def _mean(weights: Floats, values: np.ndarray) -> Floats:
    return np.asarray((weights * values).sum(axis=1) / weights.sum(axis=1))


def _mean_of(values: np.ndarray) -> Callable[[Floats], Floats]:
    return lambda weights: _mean(weights, values)


def _side(share: float) -> int:
    return 0 if abs(share - 0.5) <= 0.01 else (1 if share > 0.5 else -1)
