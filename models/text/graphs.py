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


def unpack(source: Path, target: Path) -> None:
    """Write a network whose packed weights (4 or 8 bits) are unpacked once, not at each run."""
    import openvino
    from openvino import opset13

    network = core().read_model(source)
    is_constant: dict[str, bool] = {}
    for node in network.get_ordered_ops():
        inputs = [
            node.input_value(place).get_node().get_friendly_name() for place in range(node.get_input_size())
        ]
        is_constant[node.get_friendly_name()] = node.get_type_name() == "Constant" or (
            bool(inputs) and all(is_constant[name] for name in inputs)
        )
    computed = [
        output
        for node in network.get_ordered_ops()
        if is_constant[node.get_friendly_name()] and node.get_type_name() != "Constant"
        for output in node.outputs()
        if any(not is_constant[user.get_node().get_friendly_name()] for user in output.get_target_inputs())
    ]
    values = core().compile_model(
        openvino.Model(computed, [], "weights"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )({})
    for place, output in enumerate(computed):
        constant = opset13.constant(values[place])
        for user in list(output.get_target_inputs()):
            if not is_constant[user.get_node().get_friendly_name()]:
                user.replace_source_output(constant.output(0))
    network.validate_nodes_and_infer_types()
    openvino.save_model(network, target)
