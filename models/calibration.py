"""Whether predicted probabilities are frequencies: reliability curve, expected calibration error, and their repair.

The expected calibration error (ECE) is the mean over bins of |mean prediction - share that happened|, weighted by rows
(Naeini et al. 2015). Of a finite sample it is above 0 also for perfect probabilities, so that `error_by_chance` says
what it would be then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from infra.errors import TrainingRefused

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_BINS = 10
_SLOPE_AT_LEAST = 1e-3


@dataclass(frozen=True)
class Reliability:
    """One bin of predicted probability: how many rows, mean prediction, share that happened."""

    rows: int
    predicted: float
    observed: float


def reliability(
    probabilities: Floats, happened: Bools, bins: Literal["width", "mass"] = "width"
) -> tuple[Reliability, ...]:
    """Ten bins, those without rows left out.

    Args:
        bins: of equal width, or of about equally many rows (equal predictions stay together): of something rare, equal
            widths put all rows into one bin and see nothing.

    Raises:
        TrainingRefused: a prediction is no number.
    """
    finite(probabilities)
    by_width = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    place = by_width if bins == "width" else _by_rank(probabilities)
    return tuple(
        Reliability(int(inside.sum()), float(probabilities[inside].mean()), float(happened[inside].mean()))
        for inside in (place == number for number in range(_BINS))
        if inside.any()
    )


def calibration_error(bins: Sequence[Reliability]) -> float:
    """Expected calibration error: the mean gap of prediction and observation, weighted by rows."""
    rows = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.predicted - each.observed) for each in bins) / max(rows, 1)


def error_by_chance(probabilities: Floats, seed: int, draws: int = 200) -> tuple[float, float]:
    """What the error in bins of equal rows is if the probabilities are true and rows independent: mean, 95 % quantile.

    Rows of one user are not quite independent, so that a little more than the quantile is no proof of a wrong one.
    """
    place = _by_rank(probabilities)
    rows = np.bincount(place, minlength=_BINS)
    predicted = np.bincount(place, weights=probabilities, minlength=_BINS)
    random = np.random.default_rng(seed)
    errors = [
        np.abs(
            predicted - np.bincount(place, weights=random.random(len(place)) < probabilities, minlength=_BINS)
        )
        for _ in range(draws)
    ]
    each = np.array([error.sum() / max(rows.sum(), 1) for error in errors])
    return float(each.mean()), float(np.quantile(each, 0.95))


def finite(probabilities: Floats) -> None:
    """Raises TrainingRefused if one is no number."""
    if not np.isfinite(probabilities).all():
        raise TrainingRefused(
            "the classifier gave scores that are no numbers", hint="Check the labelled table."
        )


@dataclass(frozen=True)
class Calibration:
    """From a model's log-odds to a probability; monotone, so that ranks stay.

    Platt: sigmoid(slope * logit + offset). Isotonic: `values` at the log-odds `levels`, straight lines between them.
    """

    kind: Literal["platt", "isotonic"]
    slope: float = 1.0
    offset: float = 0.0
    levels: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def __call__(self, logits: Floats) -> Floats:
        """Calibrated probabilities."""
        finite(logits)
        if self.kind == "isotonic":
            return np.interp(logits, self.levels, self.values)
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * logits + self.offset, -60, 60))))

    def as_dict(self) -> dict[str, Any]:
        """What `of` reads back; JSON."""
        told: dict[str, Any] = {"kind": self.kind}
        if self.kind == "platt":
            return told | {"slope": self.slope, "offset": self.offset}
        return told | {"levels": list(self.levels), "values": list(self.values)}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Calibration:
        """The inverse of `as_dict`."""
        return cls(
            told["kind"], float(told.get("slope", 1)), float(told.get("offset", 0)),
            tuple(told.get("levels", ())), tuple(told.get("values", ())),
        )  # fmt: skip


def calibrate(logits: Floats, happened: Bools, kind: Literal["platt", "isotonic"] = "platt") -> Calibration:
    """Fit on rows that the model was not fitted on.

    A falling Platt slope is held at just above 0: log-odds that tell nothing become the mean rate, and no model is
    turned round by the few rows it is calibrated on.

    Raises:
        TrainingRefused: only one outcome is there, or a logit is no number.
    """
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    finite(logits)
    if happened.all() or not happened.any():
        raise TrainingRefused(
            f"{len(happened)} calibration rows have one outcome only", hint="Give more days or users."
        )
    if kind == "isotonic":
        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(logits, happened)
        levels, values = fitted.X_thresholds_, fitted.y_thresholds_
        return Calibration("isotonic", levels=tuple(map(float, levels)), values=tuple(map(float, values)))
    platt = LogisticRegression(C=1e6, max_iter=1000).fit(logits[:, None], happened)
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if slope < _SLOPE_AT_LEAST:
        slope = _SLOPE_AT_LEAST
        offset = float(np.log(happened.mean() / (1 - happened.mean())) - slope * logits.mean())
    return Calibration("platt", slope, offset)


def _by_rank(probabilities: Floats) -> npt.NDArray[np.intp]:
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.searchsorted(edges, probabilities, side="right")
