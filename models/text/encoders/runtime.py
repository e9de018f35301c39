"""What runs an encoder's network: torch, or OpenVINO on a graph that is converted once a machine and kept."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from infra.cache import sealed_folder, user_cache
from infra.errors import EncoderUnavailable
from models.text.encoders.reading import Ids, Reading
from models.text.graphs import compiled_graph, has_openvino

if TYPE_CHECKING:
    import torch

Vectors = npt.NDArray[np.float32]
_GRAPH = "network.xml"
# Modules of this package that make no network: a change of theirs converts nothing again.
_NO_NETWORK = {"__init__.py", "choice.py"}


class Runtime(Protocol):
    """Runs a network on one batch."""

    def __call__(self, ids: Ids, mask: Ids) -> Vectors:
        """Unit vectors (n, dimension) of token ids (n, t) where `mask` is 1."""


class Source(Protocol):
    """Where a network comes from. Networks take ids and mask (n, t) and give float32 unit vectors (n, dimension)."""

    def files(self) -> Sequence[Path]:
        """All files that the network is made of; their content names what is kept of it."""

    def variant(self) -> str:
        """Whatever else makes a difference to network or reading."""

    def network(self, dtype: torch.dtype, device: str) -> tuple[torch.nn.Module, Reading]:
        """The network in torch, in evaluation mode, and how texts are read for it."""


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def torch_runtime(source: Source, precision: str, threads: int) -> tuple[Runtime, Reading]:
    """The network in torch, on a GPU where there is one."""
    import torch

    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    network, reading = source.network(dtype, device)

    def run(ids: Ids, mask: Ids) -> Vectors:
        with torch.inference_mode():
            made = network(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            return np.asarray(made.float().cpu().numpy(), dtype=np.float32)

    return run, reading


def openvino_runtime(source: Source, precision: str, threads: int) -> tuple[Runtime, Reading]:
    """The network in OpenVINO. Where it is converted already, neither torch nor the weights' own format is read.

    Raises EncoderUnavailable when OpenVINO is not installed or cannot convert the network.
    """
    if not has_openvino():
        raise EncoderUnavailable(
            "OpenVINO is not installed",
            setting="diversity.encoders.backend",
            hint='Install it (uv add openvino), or set backend = "torch", which is a space of its own.',
        )
    folder = converted(source)
    # Short texts are 14 % faster in bf16 without fused element-wise kernels, long ones as fast (measured).
    options = {"SNIPPETS_MODE": "DISABLE"} if precision == "bf16" else {}
    request = compiled_graph(folder / _GRAPH, precision, threads, **options)

    def run(ids: Ids, mask: Ids) -> Vectors:
        return np.array(request.infer([ids, mask])[0], dtype=np.float32)

    return run, Reading.load(folder)


def converted(source: Source) -> Path:
    """The folder that holds the network as an OpenVINO graph; made on first need, by one process or several at once.

    It is named by a hash of the source's content, this code and OpenVINO's version, under the user's cache directory.
    """
    folder = user_cache() / "encoders" / _content_name(source)
    return sealed_folder(folder, lambda draft: _convert(source, draft), "text encoder")


def _content_name(source: Source) -> str:
    """A hash of the source's content, of the code that makes networks of it, and of OpenVINO's version."""
    digest = hashlib.sha256(f"{version('openvino')} {source.variant()}".encode())
    code = (path for path in Path(__file__).parent.glob("*.py") if path.name not in _NO_NETWORK)
    for path in [*sorted(source.files()), *sorted(code)]:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:24]


def _convert(source: Source, folder: Path) -> None:
    import openvino
    import torch

    network, reading = source.network(torch.float32, "cpu")
    example = (torch.full((2, 5), max(reading.padding, 1)), torch.ones((2, 5), dtype=torch.int64))
    shape = openvino.PartialShape([-1, -1])
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            graph: Any = openvino.convert_model(network, example_input=example, input=[shape, shape])
        openvino.save_model(graph, folder / _GRAPH, compress_to_fp16=False)
    except Exception as error:  # converters raise whatever the first unknown operation leads to
        raise EncoderUnavailable(
            f"OpenVINO cannot convert this encoder ({type(error).__name__})",
            setting="diversity.encoders.backend",
            hint='Set backend = "torch".',
        ) from error
    reading.save(folder)


RUNTIMES: dict[str, Callable[[Source, str, int], tuple[Runtime, Reading]]] = {
    "torch": torch_runtime,
    "openvino": openvino_runtime,
}
