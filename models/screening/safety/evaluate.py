"""Evaluate a safety classifier: its errors with bounds, and the thresholds that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from infra.errors import TrainingRefused
from models.calibration import finite
from models.screening.safety.classifier import Thresholds

_Z = 1.959963984540054
# A text more likely unsafe than safe never passes, even where the bound on the error would allow it.
_EVEN = 0.5


@dataclass(frozen=True)
class Bounds:
    """Limits for thresholds on held-out rows, as shares; each error counts by its 95 % upper bound."""

    pass_error: float = 0.05
    reject_error: float = 0.10
    review_share: float = 0.25


@dataclass(frozen=True)
class Band:
    """Outcome of thresholds on labelled rows: counts, and the errors of passing and rejecting with upper bounds."""

    rows: int
    passed: int
    reviewed: int
    rejected: int
    unsafe_passed: int
    safe_rejected: int

    @property
    def review_share(self) -> float:
        """Share of rows that a person must look at."""
        return self.reviewed / max(self.rows, 1)

    @property
    def pass_error_upper(self) -> float:
        """95 % upper bound of the share of unsafe rows among those that pass."""
        return upper_bound(self.unsafe_passed, self.passed)

    @property
    def reject_error_upper(self) -> float:
        """95 % upper bound of the share of safe rows among those that are rejected."""
        return upper_bound(self.safe_rejected, self.rejected)


def upper_bound(hits: int, trials: int) -> float:
    """One-sided 95 % Clopper-Pearson bound of a share; 0 for no trials (no decisions, so no wrong ones)."""
    from scipy.stats import beta

    if trials == 0:
        return 0.0
    return 1.0 if hits >= trials else float(beta.ppf(0.95, hits + 1, trials - hits))


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Two-sided 95 % Wilson interval of a share."""
    if trials == 0:
        return 0.0, 1.0
    share = hits / trials
    centre = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z * sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2)) / (1 + _Z**2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def band(
    probabilities: npt.NDArray[np.float64], unsafe: npt.NDArray[np.bool_], thresholds: Thresholds
) -> Band:
    """The outcome of the thresholds on labelled rows."""
    top = np.inf if thresholds.reject_at is None else thresholds.reject_at
    passed, rejected = probabilities < thresholds.review_at, probabilities >= top
    return Band(
        rows=len(unsafe),
        passed=int(passed.sum()),
        reviewed=int((~passed & ~rejected).sum()),
        rejected=int(rejected.sum()),
        unsafe_passed=int((passed & unsafe).sum()),
        safe_rejected=int((rejected & ~unsafe).sum()),
    )


def choose(
    probabilities: npt.NDArray[np.float64], unsafe: npt.NDArray[np.bool_], bounds: Bounds
) -> Thresholds:
    """The highest `review_at` and the lowest `reject_at` that keep the bounds on these held-out rows.

    Raises TrainingRefused when no pair does, with the review share that the two errors would need.
    """
    finite(probabilities)
    levels = np.unique(np.concatenate([np.quantile(probabilities, np.linspace(0, 1, 401)), [_EVEN, 1.0]]))
    review_levels = [
        level
        for level in levels
        if 0 < level <= _EVEN
        and band(probabilities, unsafe, Thresholds(level)).pass_error_upper <= bounds.pass_error
    ]
    if not review_levels:
        raise TrainingRefused(
            f"no threshold keeps the error of passing below {bounds.pass_error:.3g} on {len(unsafe)} held-out rows",
            hint="Give more labels, or allow more with --pass-error.",
        )
    review_at = float(max(review_levels))
    reject_levels = [
        level
        for level in levels
        if level > review_at
        and band(probabilities, unsafe, Thresholds(review_at, float(level))).reject_error_upper
        <= bounds.reject_error
    ]
    chosen = Thresholds(round(review_at, 6), round(float(min(reject_levels)), 6) if reject_levels else None)
    outcome = band(probabilities, unsafe, chosen)
    if outcome.review_share > bounds.review_share:
        raise TrainingRefused(
            f"a review share of {outcome.review_share:.3f} would be needed, {bounds.review_share:.3g} is allowed",
            hint="Give more labels, or allow more with --review-share, --pass-error or --reject-error.",
        )
    return chosen
