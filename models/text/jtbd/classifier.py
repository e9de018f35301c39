"""Label prompts with a job to be done: by cue words, else by the nearest prototypes in the text's embedding space.

It reads the vectors that Phase II stored, so nothing is embedded twice. Those also cover a little context, so cues come
first and look at the message alone. A text without a vector (its language has no encoder) is labelled by weaker words,
`hints`, and is `unknown` without them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.text.jtbd.taxonomy import NAMES, OTHER, TAXONOMY, UNKNOWN

Vectors = npt.NDArray[np.float32]

# Likeness to an intent is the mean over this many of its nearest prototypes.
_NEAREST = 3
# A message is `other` below this quantile of the prototypes' likeness to the rest of their own intent.
_OUTLIERS = 0.02
_CUES = tuple((intent.name, re.compile("|".join(intent.cues))) for intent in TAXONOMY if intent.cues)
_HINTS = tuple((intent.name, re.compile("|".join(intent.hints))) for intent in TAXONOMY if intent.hints)
_ENDS = tuple(accumulate(len(intent.prototypes) for intent in TAXONOMY))
_COLUMNS = tuple(
    slice(end - len(intent.prototypes), end) for intent, end in zip(TAXONOMY, _ENDS, strict=True)
)
"""The columns of each intent's prototypes."""
_SCANNED_CHARACTERS = 400


class Encodes(Protocol):
    """The part of an encoder that prototypes need."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, dimension)."""


@dataclass(frozen=True)
class Space:
    """The taxonomy in one embedding space: prototypes (P, d), and the least likeness that assigns an intent."""

    prototypes: Vectors
    least: float

    @staticmethod
    def of(prototypes: Vectors) -> Space:
        """Calibrate `least` on the prototypes, each held out in turn."""
        cosine = _cosines(prototypes, prototypes)
        np.fill_diagonal(cosine, -1.0)
        likeness = _likeness(cosine)
        own_likeness = [likeness[columns, intent] for intent, columns in enumerate(_COLUMNS)]
        return Space(prototypes, float(np.quantile(np.concatenate(own_likeness), _OUTLIERS)))

    def nearest(self, vectors: Vectors) -> list[str]:
        """Intents of n vectors; `other` where even the nearest is too far."""
        likeness = _likeness(_cosines(vectors, self.prototypes))
        best = likeness.argmax(axis=1)
        return [
            NAMES[column] if likeness[row, column] >= self.least else OTHER for row, column in enumerate(best)
        ]


@dataclass(frozen=True)
class Classifier:
    """Encoder name to the taxonomy in its space."""

    spaces: Mapping[str, Space]

    @staticmethod
    def of(encoders: Mapping[str, Encodes]) -> Classifier:
        """Embed the taxonomy's prototypes once per space."""
        sentences = [sentence for intent in TAXONOMY for sentence in intent.prototypes]
        return Classifier(
            {
                name: Space.of(np.asarray(encoder.encode(sentences), np.float32))
                for name, encoder in encoders.items()
            }
        )

    def labels(
        self,
        messages: Sequence[str | None],
        spaces: Sequence[str | None],
        embeddings: Sequence[Sequence[float] | npt.NDArray[np.float32] | None],
    ) -> list[str]:
        """One intent's name (or `unknown`) for each message.

        messages: redacted user messages; spaces: encoder name of each embedding; embeddings: unit vectors. All of
        length n; None where there is none.
        """
        labels = [UNKNOWN if message is None else by_cue(message) for message in messages]
        for name, space in self.spaces.items():
            rows = [
                row
                for row, (space_name, vector) in enumerate(zip(spaces, embeddings, strict=True))
                if labels[row] is None and space_name == name and vector is not None
            ]
            if rows:
                vectors = np.array([embeddings[row] for row in rows], dtype=np.float32)
                for row, label in zip(rows, space.nearest(vectors), strict=True):
                    labels[row] = label
        return [
            label or (by_hint(message) if message else None) or UNKNOWN
            for label, message in zip(labels, messages, strict=True)
        ]


def by_cue(message: str) -> str | None:
    """The intent whose cue stands earliest in the message (ties: the taxonomy's order), or None."""
    return _earliest(message, _CUES)


def by_hint(message: str) -> str | None:
    """The intent whose hint stands earliest in the message, or None: for a message without cue and vector."""
    return _earliest(message, _HINTS)


def _earliest(message: str, signs: Sequence[tuple[str, re.Pattern[str]]]) -> str | None:
    text = message[:_SCANNED_CHARACTERS].lower()
    hits = ((match.start(), name) for name, sign in signs if (match := sign.search(text)))
    return min(hits, key=lambda hit: hit[0], default=(0, None))[1]


def _cosines(left: Vectors, right: Vectors) -> npt.NDArray[np.float64]:
    """(n, m) cosines, rounded so that machines agree."""
    return np.asarray(np.round(left.astype(np.float64) @ right.astype(np.float64).T, 6))


def _likeness(cosine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, intents): the mean cosine with the nearest prototypes of each intent."""
    means = [np.sort(cosine[:, columns], axis=1)[:, -_NEAREST:].mean(axis=1) for columns in _COLUMNS]
    return np.stack(means, axis=1)
