"""What a signal model must beat: logistic regressions that read how long a response is, or how its words feel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from infra.errors import TrainingRefused
from models.chat.conversation import messages
from models.signals.model import SEEN, Bools, Floats, texts
from models.text.sentiment import sentiment


def length_features(seen: pa.Table) -> Floats:
    """log(1 + words) of the response, and its square: users like neither a word nor a wall."""
    words = np.log1p([len(text.split()) for text in texts(seen, "response")])
    return np.column_stack([words, words**2])


def sentiment_features(seen: pa.Table) -> Floats:
    """VADER's compound of the message that is answered and of the response, and whether each is known."""
    read = zip(texts(seen, "context"), texts(seen, "response"), texts(seen, "language"), strict=True)
    pairs = [
        (sentiment(_asked(context), tongue), sentiment(response, tongue))
        for context, response, tongue in read
    ]
    values = np.array([[0.0 if one is None else one for one in pair] for pair in pairs]).reshape(-1, 2)
    is_known = np.array([[one is not None for one in pair] for pair in pairs], dtype=float).reshape(-1, 2)
    return np.column_stack([values, is_known])


FEATURES: dict[str, Callable[[pa.Table], Floats]] = {
    "length_only": length_features,
    "sentiment_only": sentiment_features,
}


class Baseline:
    """A logistic regression on the features of one name of `FEATURES`, standardised."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fitted: Any = None

    @property
    def name(self) -> str:
        """`length_only` or `sentiment_only`."""
        return self._name

    def fit(self, seen: pa.Table, labels: Bools) -> Baseline:
        """Fit on training rows, without weights: log-odds are then those of the training rate.

        Raises:
            TrainingRefused: only one outcome is there.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if labels.all() or not labels.any():
            raise TrainingRefused(
                f"{len(labels)} training rows have one outcome only", hint="Give more days."
            )
        model = make_pipeline(StandardScaler(), LogisticRegression(C=100.0, max_iter=1000))
        self._fitted = model.fit(FEATURES[self._name](seen.select(SEEN)), labels)
        return self

    def logits(self, seen: pa.Table) -> Floats:
        """Log-odds, one a row."""
        found = self._fitted.decision_function(FEATURES[self._name](seen.select(SEEN)))
        return np.asarray(found, dtype=np.float64)


def baselines(seen: pa.Table, labels: Bools, names: Sequence[str] = tuple(FEATURES)) -> tuple[Baseline, ...]:
    """Every baseline, fitted on the same training rows as the model they stand beside."""
    return tuple(Baseline(name).fit(seen, labels) for name in names)


def _asked(context: str) -> str:
    """The user's last message."""
    return next((one["content"] for one in reversed(messages(context)) if one["role"] == "user"), "")
