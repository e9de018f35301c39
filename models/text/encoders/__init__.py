"""Text encoders behind one interface, and the choice of one by language. Importing this loads no model.

Two kinds of network (`transformer`, `use`), each run by torch or by OpenVINO in full or half precision.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from infra.errors import EncoderUnavailable, SettingsError
from infra.settings import EncoderSettings
from models.text.encoders.choice import keep_choice, kept_choice

if TYPE_CHECKING:
    from models.text.encoders.reading import Reading
    from models.text.encoders.runtime import Runtime, Source

_LOG = logging.getLogger(__name__)
_SCRIPT_LETTERS = 4
# Half precision loses a little accuracy, so it must be clearly faster.
_CLEARLY_FASTER = 1.3
_BATCH_TOKENS = {"cpu": 1024, "gpu": 32_768}


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """Model, backend and precision: vectors of different names are never compared."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def languages(self) -> frozenset[str]:
        """BCP-47 tags that it knows."""

    def unknown_shares(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Share of each text's tokens that are not in the vocabulary; shape (n,), in 0..1."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, dimension), in the order of the texts. Long texts are read to their end."""


def encoder_name(spec: EncoderSettings) -> str:
    """Name of the encoder that `load_encoder` makes of the spec; for `auto` this may load it."""
    spec = resolved(spec)
    if spec.kind == "use":
        return f"use-multilingual-v3/{spec.backend}/{spec.precision}"
    model = PurePosixPath(spec.model).name if spec.model else "all-MiniLM-L6-v2"
    if options := {
        name: value for name in ("prompt", "max_tokens", "dimension") if (value := getattr(spec, name))
    }:
        model += "-" + hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:6]
    return f"{model}/{spec.backend}/{spec.precision}"


def encoder_for(language: str, specs: Sequence[EncoderSettings]) -> EncoderSettings | None:
    """The first encoder that knows the language, or None.

    A region is ignored (`pt-BR` is `pt`); a script is not (`hi-Latn` is not `hi`).
    """
    parts = language.split("-")
    script = next((p for p in parts[1:] if len(p) == _SCRIPT_LETTERS and p.isalpha()), None)
    tag = f"{parts[0].lower()}-{script.title()}" if script else parts[0].lower()
    return next((spec for spec in specs if tag in spec.languages), None)


@cache
def resolved(spec: EncoderSettings) -> EncoderSettings:
    """The spec with `auto` backend and precision chosen for this machine.

    The choice is measured once a user and machine, by `flywheel setup` or here on first use, and kept in the user's
    cache. A lake also pins it (`jobs.curation.diversity.spaces.pinned`), because vectors of two backends are never
    compared.
    """
    if "auto" not in (spec.backend, spec.precision):
        return spec
    choice = kept_choice(spec)
    if choice is None:
        best = measured(spec)
        choice = best.backend, best.precision
        keep_choice(spec, *choice)
    return spec.model_copy(update={"backend": choice[0], "precision": choice[1]})


def prepare(spec: EncoderSettings) -> str:
    """Fetch, convert and measure what `load_encoder` needs, unless it is there; returns the encoder's name.

    Raises EncoderUnavailable when the model or its backend is missing.
    """
    spec = resolved(spec)
    if spec.backend == "openvino":
        from models.text.encoders.runtime import converted

        converted(_source(spec))
    return encoder_name(spec)


def measured(spec: EncoderSettings) -> EncoderSettings:
    """The spec with each `auto` replaced by the measured best. Takes seconds.

    On a GPU that is torch in fp16. On a CPU every candidate encodes the same batch, and the fastest wins; half
    precision only where it is clearly faster, because processors that list avx512_bf16 differ.
    """
    from models.text.encoders.runtime import has_gpu
    from models.text.graphs import has_openvino

    if spec.backend != "openvino" and has_gpu():
        precision = "fp16" if spec.precision == "auto" else spec.precision
        return spec.model_copy(update={"backend": "torch", "precision": precision})
    if spec.backend == "auto" and not has_openvino():
        _LOG.warning("OpenVINO is not installed: torch embeds, which takes more than twice as long.")
        spec = spec.model_copy(update={"backend": "torch"})
    backends = ("openvino", "torch") if spec.backend == "auto" else (spec.backend,)
    precisions = ("fp32", "bf16") if spec.precision == "auto" else (spec.precision,)
    seconds = {
        (backend, precision): took
        for backend in backends
        for precision in precisions
        if (took := _seconds(spec.model_copy(update={"backend": backend, "precision": precision}), backends))
    }
    full = min((key for key in seconds if key[1] == "fp32"), key=seconds.__getitem__, default=None)
    best = min(seconds, key=seconds.__getitem__)
    if full and seconds[full] <= _CLEARLY_FASTER * seconds[best]:
        best = full
    return spec.model_copy(update={"backend": best[0], "precision": best[1]})


def _seconds(spec: EncoderSettings, backends: Sequence[str]) -> float | None:
    """CPU seconds of one batch, the best of five; None if the backend cannot run the encoder and another may."""
    try:
        loaded = _loaded(spec, threads=1)
    except EncoderUnavailable as error:
        if len(backends) == 1 or spec.backend == "torch":
            raise
        _LOG.warning("%s torch embeds instead.", error)
        return None
    ids = np.tile(np.arange(100, 132, dtype=np.int64), (32, 1))
    runs = []
    for _ in range(6):
        began = time.process_time()
        loaded.runtime(ids, np.ones_like(ids))
        runs.append(time.process_time() - began)
    return min(runs[1:])


def load_encoder(spec: EncoderSettings, threads: int = 1) -> Encoder:
    """Load the encoder of a spec; takes seconds, so do it once a worker.

    Raises EncoderUnavailable when the model or its backend is missing.
    """
    return _loaded(resolved(spec), threads)


def _loaded(spec: EncoderSettings, threads: int) -> NetworkEncoder:
    from models.text.encoders.runtime import RUNTIMES, has_gpu

    on_gpu = spec.backend == "torch" and has_gpu()
    if spec.precision == "fp16" and not on_gpu:
        raise SettingsError(
            "fp16 needs a GPU, and this machine has none",
            setting="diversity.encoders.precision",
            hint='Choose "bf16" or "fp32", or embed on a machine with a GPU.',
        )
    runtime, reading = RUNTIMES[spec.backend](_source(spec), spec.precision, threads)
    budget = spec.batch_tokens or _BATCH_TOKENS["gpu" if on_gpu else "cpu"]
    return NetworkEncoder(encoder_name(spec), frozenset(spec.languages), reading, runtime, budget)


def _source(spec: EncoderSettings) -> Source:
    if spec.kind == "use":
        from models.text.encoders.use import UseSource

        return UseSource()
    from models.text.encoders.transformer import TransformerSource

    return TransformerSource(spec)


@dataclass(frozen=True)
class NetworkEncoder:
    """A network with the `Reading` (tokenizer, windows) that belongs to it."""

    name: str
    languages: frozenset[str]
    reading: Reading
    runtime: Runtime
    batch_tokens: int

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.reading.dimension

    def unknown_shares(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Share of each text's tokens that are the unknown token."""
        unknown = self.reading.unknown
        return np.array(
            [sum(t == unknown for t in ids) / max(len(ids), 1) for ids in self.reading.tokens(texts)],
            dtype=np.float64,
        )

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors; a text longer than the model's window is the token-weighted mean of its windows."""
        from models.text.encoders.reading import batches

        windows = [self.reading.windows(ids) for ids in self.reading.tokens(texts)]
        pieces = [piece for text_windows in windows for piece in text_windows]
        owners = np.repeat(np.arange(len(texts)), [len(text_windows) for text_windows in windows])
        sums = np.zeros((len(texts), self.dimension), dtype=np.float64)
        for rows, ids, mask in batches(pieces, self.batch_tokens, self.reading.padding):
            vectors = self.runtime(ids, mask).astype(np.float64)
            np.add.at(sums, owners[rows], vectors * mask.sum(axis=1, keepdims=True))
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        return sums.astype(np.float32)
