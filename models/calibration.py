"""Measure and repair the calibration of probabilities: reliability curve, expected calibration error, recalibration.

The expected calibration error (ECE) is the mean over bins of |mean prediction - share that happened|, weighted by rows
(Naeini et al. 2015). In a finite sample it is above 0 even for perfect probabilities; `error_by_chance` gives its value
in that case.
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
_MIN_SLOPE = 1e-3


@dataclass(frozen=True)
class Reliability:
    """One bin of predicted probability: number of rows, mean prediction, share that happened."""

    rows: int
    predicted: float
    observed: float


def reliability(
    probabilities: Floats, happened: Bools, bins: Literal["width", "mass"] = "width"
) -> tuple[Reliability, ...]:
    """The reliability curve in ten bins, without empty bins.

    Args:
        bins: of equal width, or of about equally many rows (equal predictions stay together). For a rare event, equal
            widths put all rows into one bin.

    Raises:
        TrainingRefused: a prediction is not finite.
    """
    finite(probabilities)
    by_width = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    bin_of_row = by_width if bins == "width" else _by_rank(probabilities)
    return tuple(
        Reliability(int(in_bin.sum()), float(probabilities[in_bin].mean()), float(happened[in_bin].mean()))
        for in_bin in (bin_of_row == number for number in range(_BINS))
        if in_bin.any()
    )


def calibration_error(bins: Sequence[Reliability]) -> float:
    """Expected calibration error: the mean gap between prediction and observation, weighted by rows."""
    rows = sum(reliability_bin.rows for reliability_bin in bins)
    return sum(
        reliability_bin.rows * abs(reliability_bin.predicted - reliability_bin.observed)
        for reliability_bin in bins
    ) / max(rows, 1)


def error_by_chance(probabilities: Floats, seed: int, draws: int = 200) -> tuple[float, float]:
    """Mean and 95 % quantile of the error in bins of equal rows, if the probabilities are true and rows independent.

    Rows of the same user are not quite independent, so an error slightly above the quantile is no proof of
    miscalibration.
    """
    bin_of_row = _by_rank(probabilities)
    rows = np.bincount(bin_of_row, minlength=_BINS)
    predicted = np.bincount(bin_of_row, weights=probabilities, minlength=_BINS)
    rng = np.random.default_rng(seed)
    errors = [
        np.abs(
            predicted
            - np.bincount(bin_of_row, weights=rng.random(len(bin_of_row)) < probabilities, minlength=_BINS)
        )
        for _ in range(draws)
    ]
    draw_errors = np.array([error.sum() / max(rows.sum(), 1) for error in errors])
    return float(draw_errors.mean()), float(np.quantile(draw_errors, 0.95))


def finite(probabilities: Floats) -> None:
    """Check that all values are finite. Raises TrainingRefused otherwise."""
    if not np.isfinite(probabilities).all():
        raise TrainingRefused(
            "the classifier returned scores that are not finite", hint="Check the labelled table."
        )


@dataclass(frozen=True)
class Calibration:
    """A monotone map from a model's log-odds to probabilities; it keeps the ranks.

    Platt: sigmoid(slope * logit + offset). Isotonic: `values` at the log-odds `levels`, linear between them.
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
        """The calibration as JSON-compatible values, for `of`."""
        fields: dict[str, Any] = {"kind": self.kind}
        if self.kind == "platt":
            return fields | {"slope": self.slope, "offset": self.offset}
        return fields | {"levels": list(self.levels), "values": list(self.values)}

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Calibration:
        """The inverse of `as_dict`."""
        return cls(
            fields["kind"], float(fields.get("slope", 1)), float(fields.get("offset", 0)),
            tuple(fields.get("levels", ())), tuple(fields.get("values", ())),
        )  # fmt: skip


def calibrate(logits: Floats, happened: Bools, kind: Literal["platt", "isotonic"] = "platt") -> Calibration:
    """Fit a calibration on rows that the model was not fitted on.

    A negative Platt slope is replaced by a value just above 0. So log-odds without information become the mean rate,
    and a small calibration sample cannot reverse the ranks of a model.

    Raises:
        TrainingRefused: all rows have the same outcome, or a logit is not finite.
    """
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    finite(logits)
    if happened.all() or not happened.any():
        raise TrainingRefused(
            f"{len(happened)} calibration rows all have the same outcome", hint="Give more days or users."
        )
    if kind == "isotonic":
        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(logits, happened)
        levels, values = fitted.X_thresholds_, fitted.y_thresholds_
        return Calibration("isotonic", levels=tuple(map(float, levels)), values=tuple(map(float, values)))
    platt = LogisticRegression(C=1e6, max_iter=1000).fit(logits[:, None], happened)
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if slope < _MIN_SLOPE:
        slope = _MIN_SLOPE
        offset = float(np.log(happened.mean() / (1 - happened.mean())) - slope * logits.mean())
    return Calibration("platt", slope, offset)


def _by_rank(probabilities: Floats) -> npt.NDArray[np.intp]:
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.searchsorted(edges, probabilities, side="right")
