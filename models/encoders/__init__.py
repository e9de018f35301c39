"""Text encoders behind one interface, and which one a language goes to. Importing this loads no model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
import numpy.typing as npt

from infra.settings import EncoderSettings

_SCRIPT_LETTERS = 4
_CLEARLY_FASTER = 1.3


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
        """Share of each text's tokens that the vocabulary does not have; shape (n,), in 0..1."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, dimension), in the order of the texts. Long texts are read to their end."""


def encoder_name(spec: EncoderSettings) -> str:
    """Name of the encoder that `load_encoder` makes of the spec, without loading it."""
    if spec.kind == "use":
        return "use-multilingual-v3/numpy/fp32"
    model = PurePosixPath(spec.model).name if spec.model else "all-MiniLM-L6-v2"
    return f"{model}/torch/{resolve_precision(spec)}"


def encoder_for(language: str, specs: Sequence[EncoderSettings]) -> EncoderSettings | None:
    """The first encoder that knows the language, or None.

    A region is ignored (`pt-BR` is `pt`); a script is not (`hi-Latn` is not `hi`).
    """
    parts = language.split("-")
    script = next((p for p in parts[1:] if len(p) == _SCRIPT_LETTERS and p.isalpha()), None)
    tag = f"{parts[0].lower()}-{script.title()}" if script else parts[0].lower()
    return next((spec for spec in specs if tag in spec.languages), None)


def resolve_precision(spec: EncoderSettings) -> str:
    """The spec's precision, with `auto` answered for this machine: bf16 where it is clearly faster than fp32.

    Measured on one layer (some ms), because processors that list avx512_bf16 differ: some gain a factor of two, on
    others it is slower than fp32. Callers pin the answer (`jobs.curation.spaces.pinned`), so it is asked once a lake.
    """
    if spec.kind == "use":
        return "fp32"
    if spec.precision != "auto":
        return spec.precision
    import torch

    seconds: dict[str, float] = {}
    with torch.inference_mode():
        for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            layer, rows = torch.nn.Linear(384, 1536).to(kind), torch.ones(1024, 384, dtype=kind)
            layer(rows)
            runs = []
            for _ in range(5):
                began = time.perf_counter()
                layer(rows)
                runs.append(time.perf_counter() - began)
            seconds[name] = min(runs)
    return "bf16" if seconds["fp32"] > _CLEARLY_FASTER * seconds["bf16"] else "fp32"


def load_encoder(spec: EncoderSettings, threads: int = 1) -> Encoder:
    """Load the encoder of a spec; takes seconds, so do it once a worker."""
    if spec.kind == "use":
        from models.encoders.use import UseEncoder

        return UseEncoder(spec, threads)
    from models.encoders.transformer import TransformerEncoder

    return TransformerEncoder(spec, threads)
