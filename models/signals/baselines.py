"""Baselines that a signal model must beat: logistic regressions on response length, or on sentiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from infra.errors import TrainingRefused
from models.chat.conversation import messages
from models.signals.model import SEEN, Bools, Floats, texts
from models.text.sentiment import sentiment


def length_features(rows: pa.Table) -> Floats:
    """log(1 + words) of the response, and its square: users may like neither very short nor very long responses."""
    words = np.log1p([len(text.split()) for text in texts(rows, "response")])
    return np.column_stack([words, words**2])


def sentiment_features(rows: pa.Table) -> Floats:
    """VADER's compound of the user message and of the response, and whether each is known."""
    inputs = zip(texts(rows, "context"), texts(rows, "response"), texts(rows, "language"), strict=True)
    pairs = [
        (sentiment(_last_user_message(context), language), sentiment(response, language))
        for context, response, language in inputs
    ]
    values = np.array([[0.0 if value is None else value for value in pair] for pair in pairs]).reshape(-1, 2)
    is_known = np.array([[value is not None for value in pair] for pair in pairs], dtype=float).reshape(-1, 2)
    return np.column_stack([values, is_known])


FEATURES: dict[str, Callable[[pa.Table], Floats]] = {
    "length_only": length_features,
    "sentiment_only": sentiment_features,
}


class Baseline:
    """A logistic regression on one feature set of `FEATURES`, standardised."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fitted: Any = None

    @property
    def name(self) -> str:
        """`length_only` or `sentiment_only`."""
        return self._name

    def fit(self, rows: pa.Table, labels: Bools) -> Baseline:
        """Fit on training rows without class weights, so that log-odds match the training rate.

        Raises:
            TrainingRefused: all rows have the same outcome.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if labels.all() or not labels.any():
            raise TrainingRefused(
                f"{len(labels)} training rows all have the same outcome", hint="Give more days."
            )
        model = make_pipeline(StandardScaler(), LogisticRegression(C=100.0, max_iter=1000))
        self._fitted = model.fit(FEATURES[self._name](rows.select(SEEN)), labels)
        return self

    def logits(self, rows: pa.Table) -> Floats:
        """Log-odds, one a row."""
        decisions = self._fitted.decision_function(FEATURES[self._name](rows.select(SEEN)))
        return np.asarray(decisions, dtype=np.float64)


def baselines(rows: pa.Table, labels: Bools, names: Sequence[str] = tuple(FEATURES)) -> tuple[Baseline, ...]:
    """Every baseline, fitted on the same training rows as the model that it is compared with."""
    return tuple(Baseline(name).fit(rows, labels) for name in names)


def _last_user_message(context: str) -> str:
    """The user's last message."""
    return next(
        (message["content"] for message in reversed(messages(context)) if message["role"] == "user"), ""
    )
