"""Run a network that OpenVINO reads, on one core of this process."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


@cache
def core() -> Any:
    """One for the process, for ever.

    OpenVINO's CPU plugin gives the thread that makes a core an alternate signal stack, and takes it back with the core.
    Two cores that go in the order in which they came leave the thread on a stack that is no longer there: the next
    signal, such as a detector's deadline (`models.screening.deadline`), would end the process.
    """
    import openvino

    return openvino.Core()


def compiled_graph(path: Path, precision: str, threads: int, **options: object) -> Any:
    """An inference request of the network at `path` (OpenVINO's or ONNX format).

    Where the processor lacks the precision (`fp32`, `bf16`, `fp16`), OpenVINO computes in fp32.
    """
    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Workers share the machine: pinned ones would all sit on the first core.
        "ENABLE_CPU_PINNING": False,
        **options,
    }
    return core().compile_model(core().read_model(path), "CPU", settings).create_infer_request()
