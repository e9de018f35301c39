"""Test user reactions, or predictions of them, for the biases of section 3.5.5.

Users are independent, their responses are not. So every estimate is a binomial regression with logit link on counts per
user, with the sandwich covariance clustered by user (statsmodels) and t quantiles at users - 1 degrees of freedom.

- A contrast is an odds ratio between two groups of responses. For several reactions it is the geometric mean of their
  odds ratios: effects on thumbs up and down alike remain, opposite effects (quality, mood) cancel.
- Over jobs to be done the statistic is tau, the spread of the log of thumbs up per thumb down (Paule and Mandel) with a
  Q-profile interval (Viechtbauer 2007) and Cochran's test. Jobs differ in quality too, so it must exceed a margin.
- Hits may be sums of probabilities (a quasi-binomial regression): then a statistic describes a model's predictions.

The tests of a report are adjusted together by Holm's method. All are associations: nothing was randomised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.stats import chi2
from statsmodels.stats.multitest import multipletests

Status = Literal["present", "not_shown", "too_few"]
LEVEL = 0.05
# Sandwich covariances and the normal approximation need this many users, and so many of each outcome in each group.
LEAST_USERS = 20
LEAST_OUTCOMES = 5
RARE = "(rare)"
SPREAD_THAT_MATTERS = 0.25
"""Two jobs one standard deviation apart differ in thumbs up per thumb down by a factor of 1.28."""


@dataclass(frozen=True)
class Ratio:
    """A comparison over jobs to be done: contrast of its cells, name of the spread, name of a job's ratio."""

    contrast: str
    spread: str
    job_ratio: str
    bias: str = "positive_negative_ratio"

    @property
    def key(self) -> tuple[str, str]:
        """As in `CONTRASTS`."""
        return self.bias, self.contrast


THUMBS_BY_JOB = Ratio(
    "thumbs_by_jtbd",
    "spread (standard deviation) of the log of thumbs up per thumb down over jobs to be done",
    "thumbs up per thumb down",
)


@dataclass(frozen=True)
class Contrast:
    """Two groups of responses. `sign` 1: an odds ratio exposed/reference above 1 shows the bias; -1: below 1.

    None: a related figure without a verdict, because it also depends on the quality of responses.
    """

    exposed: str
    reference: str
    sign: int | None
    meaning: str


CONTRASTS: Mapping[tuple[str, str], Contrast] = {
    ("ending_bias", "last_response"): Contrast(
        "last", "earlier", 1, "odds of a thumb up: last response of a session / earlier ones"
    ),
    ("ending_bias", "up_among_thumbs"): Contrast(
        "last", "earlier", None, "odds that a thumb is up: last response of a session / earlier ones"
    ),
    ("delayed_feedback", "first_response"): Contrast(
        "first", "later", -1, "odds of a thumb, up and down alike: first response / later ones but the last"
    ),
    ("delayed_feedback", "clarifying_question"): Contrast(
        "question", "statement", None, "odds of a thumb up: response that ends by asking / other"
    ),
    ("delayed_feedback", "long_response"): Contrast(
        "long", "short", None, "odds of a thumb up: response of 20 words or more / shorter"
    ),
    ("prior_sentiment", "positive_message"): Contrast(
        "positive", "negative", 1, "odds of a thumb up: after a positive message / after a negative one"
    ),
}


@dataclass(frozen=True)
class Statistic:
    """One line of the report. Estimates are None where the data are too few.

    Attributes:
        level: the job to be done of this line's ratio; None for a line over all jobs.
        responses, hits: number of responses, and of those with the reaction (in predictions: expected). A response
            that is tested for two reactions counts twice.
        estimate: odds ratio, ratio of up to down, or the spread of its log; `low` and `high` are its 95 % interval.
        p_value: two-sided; `p_adjusted` by Holm's method over the lines with a verdict.
        status: the verdict; None for a line without one.
    """

    bias: str
    contrast: str
    level: str | None
    meaning: str
    responses: int
    hits: int
    users: int
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    status: Status | None = None


def report(
    cells: pd.DataFrame,
    contrasts: Mapping[tuple[str, str], Contrast] = CONTRASTS,
    ratio: Ratio = THUMBS_BY_JOB,
) -> list[Statistic]:
    """Every statistic of 3.5.5, tests first.

    Args:
        cells: bias, contrast, level, reaction, user_id, responses, hits: one row per level, reaction and user.
        contrasts: bias and contrast to the compared groups; by default those of thumbs.
        ratio: the comparison over jobs to be done.
    """
    by_contrast = {
        key: cells[(cells.bias == key[0]) & (cells.contrast == key[1])] for key in (ratio.key, *contrasts)
    }
    spread, ratios = _by_job(ratio, by_contrast[ratio.key])
    tests = [spread, *(odds_ratio(key, by_contrast[key], contrasts) for key in contrasts)]
    return [*_adjusted(tests), *ratios]


def odds_ratio(
    key: tuple[str, str], cells: pd.DataFrame, contrasts: Mapping[tuple[str, str], Contrast] = CONTRASTS
) -> Statistic:
    """The statistic of one contrast; its verdict is not yet adjusted for multiple tests."""
    contrast = contrasts[key]
    counts = _counts(key, None, contrast.meaning, cells)
    reactions = sorted(set(cells.reaction))
    groups = {contrast.reference, contrast.exposed}
    has_outcomes = [
        groups <= _levels_with_outcomes(cells[cells.reaction == reaction]) for reaction in reactions
    ]
    if not has_outcomes or not all(has_outcomes) or counts.users < LEAST_USERS:
        return replace(counts, status="too_few")
    exposed = (cells.level == contrast.exposed).to_numpy(float)
    indicators = [(cells.reaction == reaction).to_numpy(float) for reaction in reactions]
    fitted = _fit(cells, np.column_stack([*indicators, *(indicator * exposed for indicator in indicators)]))
    mean = fitted.t_test(np.repeat([0.0, 1 / len(indicators)], len(indicators)))
    low, high = mean.conf_int(LEVEL)[0]
    log_ratio = float(mean.effect[0])
    verdict: Status = "present" if log_ratio * (contrast.sign or 0) > 0 else "not_shown"
    return replace(
        counts,
        estimate=float(np.exp(log_ratio)),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        p_value=float(mean.pvalue),
        status=verdict if contrast.sign is not None else None,
    )


def _by_job(ratio: Ratio, cells: pd.DataFrame) -> tuple[Statistic, list[Statistic]]:
    """The spread over jobs to be done, and the ratio in each; rare jobs are pooled."""
    overall = _counts(ratio.key, None, ratio.spread, cells)
    cells = cells.assign(level=cells.level.where(cells.level.isin(_levels_with_outcomes(cells)), RARE))
    cells = cells.groupby(["level", "user_id"], as_index=False)[["responses", "hits"]].sum()
    frequent = sorted(_levels_with_outcomes(cells))
    jobs = [_counts(ratio.key, str(level), ratio.job_ratio, job) for level, job in cells.groupby("level")]
    cells = cells[cells.level.isin(frequent)]
    if len(frequent) < 2 or cells.user_id.nunique() < LEAST_USERS:
        return replace(overall, status="too_few"), [replace(job, status="too_few") for job in jobs]
    fitted = _fit(cells, np.column_stack([(cells.level == level).to_numpy(float) for level in frequent]))
    bounds = dict(zip(frequent, np.exp(fitted.conf_int(LEVEL)), strict=True))
    odds = dict(zip(frequent, np.exp(fitted.params), strict=True))
    ratios = [
        replace(job, estimate=float(odds[name]), low=float(bounds[name][0]), high=float(bounds[name][1]))
        if (name := str(job.level)) in odds
        else replace(job, status="too_few")
        for job in jobs
    ]
    variances = np.diag(fitted.cov_params())
    low, high = tau_interval(fitted.params, variances)
    q = _cochran_q(0.0, fitted.params, variances)
    spread = replace(
        overall,
        estimate=tau(fitted.params, variances),
        low=low,
        high=high,
        p_value=float(chi2.sf(q, len(frequent) - 1)),
        status="present" if low > SPREAD_THAT_MATTERS else "not_shown",
    )
    return spread, ratios


def tau(effects: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the true effects by Paule and Mandel: Q equals its degrees of freedom there; at least 0."""
    return _tau_at(len(effects) - 1, effects, variances)


def tau_interval(
    effects: npt.NDArray[np.float64], variances: npt.NDArray[np.float64], level: float = LEVEL
) -> tuple[float, float]:
    """Q-profile interval of `tau`: Q equals the chi-squared quantiles at its bounds (Viechtbauer 2007)."""
    freedom = len(effects) - 1
    low, high = chi2.ppf([1 - level / 2, level / 2], freedom)
    return _tau_at(float(low), effects, variances), _tau_at(float(high), effects, variances)


def _tau_at(target_q: float, effects: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]) -> float:
    if _cochran_q(0.0, effects, variances) <= target_q:
        return 0.0
    upper = 1.0
    while _cochran_q(upper, effects, variances) > target_q:
        upper *= 4
    root = brentq(lambda tau_squared: _cochran_q(tau_squared, effects, variances) - target_q, 0.0, upper)
    return float(np.sqrt(root))


def _cochran_q(
    tau_squared: float, effects: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]
) -> float:
    weights = 1 / (variances + tau_squared)
    mean = np.average(effects, weights=weights)
    return float(np.sum(weights * (effects - mean) ** 2))


def _fit(cells: pd.DataFrame, design: npt.NDArray[np.float64]) -> Any:
    """Binomial regression of hits and misses with the covariance clustered by user."""
    outcome = np.column_stack([cells.hits, cells.responses - cells.hits])
    users = pd.factorize(cells.user_id)[0]
    model = sm.GLM(outcome, design, family=sm.families.Binomial())
    return model.fit(cov_type="cluster", cov_kwds={"groups": users}, use_t=True)


def _levels_with_outcomes(cells: pd.DataFrame) -> set[str]:
    """Levels with enough responses of both outcomes."""
    groups = cells.groupby("level")[["responses", "hits"]].sum()
    has_both = (groups.hits >= LEAST_OUTCOMES) & (groups.responses - groups.hits >= LEAST_OUTCOMES)
    return {str(level) for level in groups.index[has_both]}


def _counts(key: tuple[str, str], level: str | None, meaning: str, cells: pd.DataFrame) -> Statistic:
    return Statistic(
        key[0], key[1], level, meaning, int(cells.responses.sum()), round(cells.hits.sum()), cells.user_id.nunique()
    )  # fmt: skip


def _adjusted(lines: Sequence[Statistic]) -> list[Statistic]:
    """The lines with Holm's p where they have a verdict; `present` stays only where that p is below the level."""
    p_values = [line.p_value for line in lines if line.status in ("present", "not_shown")]
    adjusted = iter(multipletests(p_values, method="holm")[1] if p_values else ())
    adjusted_lines: list[Statistic] = []
    for line in lines:
        if line.status in ("present", "not_shown"):
            p_adjusted = float(next(adjusted))
            is_present = line.status == "present" and p_adjusted < LEVEL
            line = replace(line, p_adjusted=p_adjusted, status="present" if is_present else "not_shown")
        adjusted_lines.append(line)
    return adjusted_lines
