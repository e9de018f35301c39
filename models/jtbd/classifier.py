"""Labels prompts with a job to be done: cue words first, else the nearest prototypes in the text's embedding space.

It reads the vectors that Phase II stored, so nothing is embedded twice; those hold a little context beside the message,
which is why cues look at the message alone and come first. A text without a vector (its language has no encoder) and
without a cue is `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.jtbd.taxonomy import NAMES, OTHER, TAXONOMY, UNKNOWN

Vectors = npt.NDArray[np.float32]

# An intent is as near as the mean of its nearest prototypes.
_NEAREST = 2
# Below this cosine even the nearest intent says nothing.
_LEAST_COSINE = 0.12
_CUES = tuple((intent.name, re.compile("|".join(intent.cues))) for intent in TAXONOMY if intent.cues)
_SCANNED_CHARACTERS = 400


class Encodes(Protocol):
    """The part of an encoder that prototypes need."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, dimension)."""


@dataclass(frozen=True)
class Classifier:
    """Prototype vectors by embedding space: encoder name -> (P, d), in the order of the taxonomy."""

    spaces: Mapping[str, Vectors]

    @staticmethod
    def of(encoders: Mapping[str, Encodes]) -> Classifier:
        """Embeds the taxonomy's prototypes once per space."""
        sentences = [sentence for intent in TAXONOMY for sentence in intent.prototypes]
        return Classifier(
            {name: np.asarray(encoder.encode(sentences), np.float32) for name, encoder in encoders.items()}
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
        found = [UNKNOWN if message is None else by_cue(message) for message in messages]
        for space, prototypes in self.spaces.items():
            rows = [
                row
                for row, (name, vector) in enumerate(zip(spaces, embeddings, strict=True))
                if found[row] is None and name == space and vector is not None
            ]
            if rows:
                vectors = np.array([embeddings[row] for row in rows], dtype=np.float32)
                for row, label in zip(rows, _nearest(vectors, prototypes), strict=True):
                    found[row] = label
        return [label or UNKNOWN for label in found]


def by_cue(message: str) -> str | None:
    """The intent whose cue stands earliest in the message (ties: the taxonomy's order), or None."""
    text = message[:_SCANNED_CHARACTERS].lower()
    hits = ((match.start(), name) for name, cue in _CUES if (match := cue.search(text)))
    return min(hits, key=lambda hit: hit[0], default=(0, None))[1]


def _nearest(vectors: Vectors, prototypes: Vectors) -> list[str]:
    """(n,) intents by mean cosine of their nearest prototypes, rounded so that machines agree."""
    cosine = np.round((vectors.astype(np.float64) @ prototypes.astype(np.float64).T), 6)
    scores = np.empty((len(vectors), len(NAMES)))
    start = 0
    for column, intent in enumerate(TAXONOMY):
        stop = start + len(intent.prototypes)
        scores[:, column] = np.sort(cosine[:, start:stop], axis=1)[:, -_NEAREST:].mean(axis=1)
        start = stop
    best = scores.argmax(axis=1)
    return [
        NAMES[column] if scores[row, column] >= _LEAST_COSINE else OTHER for row, column in enumerate(best)
    ]
