"""What a run needs of each GPU, before it starts: weights, gradients, optimiser, activations; and whether it fits.

An estimate for Llama-like models under AdamW in mixed precision, to within a fifth or so; it counts what autograd keeps
(tested against it), and allows for the CUDA context and for fragmentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.errors import TrainingRefused
from models.training.configuration import Configuration

GIB = 2**30
_CONTEXT_GIB = 1.5
_FRAGMENTS = 0.05


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama-like model."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int

    @classmethod
    def of(cls, config: Any) -> Shape:
        """Of a transformers configuration."""
        return cls(
            config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.num_attention_heads,
            getattr(config, "num_key_value_heads", config.num_attention_heads), config.vocab_size,
        )  # fmt: skip

    @property
    def kv(self) -> int:
        """Width of keys, and of values."""
        return self.hidden // self.heads * self.kv_heads

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        h = self.hidden
        return 2 * h * h + 2 * h * self.kv + 3 * h * self.intermediate + 2 * h

    @property
    def parameters(self) -> int:
        """Of a classifier of one logit: layers, embeddings, last norm, head."""
        return self.layers * self.layer + self.vocabulary * self.hidden + 2 * self.hidden


KNOWN = {
    "meta-llama/Llama-3.2-1B": Shape(2048, 8192, 16, 32, 8, 128256),
    "meta-llama/Llama-3.1-8B": Shape(4096, 14336, 32, 32, 8, 128256),
    "meta-llama/Llama-3.1-70B": Shape(8192, 28672, 80, 64, 8, 128256),
}
"""Shapes of models that a shipped configuration names, so that a plan needs no network."""


@dataclass(frozen=True)
class Plan:
    """GiB of one GPU.

    Attributes:
        parameters: of the whole model.
        gathered: layers that FSDP2 has whole at one time, or the half-precision copy of a model that is not sharded.
        available: of the GPU; 0 where it is not known.
    """

    parameters: int
    trained: int
    processes: int
    weights: float
    gradients: float
    optimiser: float
    gathered: float
    activations: float
    available: float

    @property
    def needed(self) -> float:
        """All of it, with the CUDA context and fragments."""
        state = self.weights + self.gradients + self.optimiser + self.gathered + self.activations
        return state * (1 + _FRAGMENTS) + _CONTEXT_GIB

    @property
    def fits(self) -> bool:
        """Whether a GPU has room for it; True where `available` is not known."""
        return not self.available or self.needed <= self.available

    def lines(self) -> list[str]:
        """What a person reads before a big start."""
        limit = "" if not self.available else f" of {self.available:.0f}"
        return [
            f"{self.parameters / 1e9:.2f} B parameters, {self.trained / 1e9:.2f} B of them trained, "
            f"on {self.processes} process(es); on each, GiB:",
            f"  weights {self.weights:.1f}, gradients {self.gradients:.1f}, optimiser {self.optimiser:.1f}, "
            f"gathered {self.gathered:.1f}, activations {self.activations:.1f}",
            f"  with context and fragments {self.needed:.1f}{limit}",
        ]


def shape_of(base: str) -> Shape:
    """Of a base model by hub id or folder.

    Raises TrainingRefused where its configuration cannot be read.
    """
    if base in KNOWN:
        return KNOWN[base]
    from transformers import AutoConfig

    try:
        return Shape.of(AutoConfig.from_pretrained(base))
    except (OSError, ValueError, AttributeError) as error:
        raise TrainingRefused(
            f"the shape of the base model {base} cannot be read: {type(error).__name__}",
            setting="training.base_model",
            hint="Give a folder with a config.json, or fetch the hub model once where there is a network.",
        ) from error


def plan(shape: Shape, configuration: Configuration, available: float = 0.0) -> Plan:
    """What each GPU of the configuration's cluster would hold.

    Args:
        available: GiB of one GPU; default: what the configuration says.
    """
    cluster, lora = configuration.cluster, configuration.lora
    shards = cluster.processes if cluster.sharded else 1
    trained = shape.parameters if lora is None else _adapters(shape, lora.rank, lora.targets)
    # Frozen weights are kept in half precision; trained ones, their gradients and both moments in float32.
    weights = (
        4 * shape.parameters if lora is None or not configuration.bf16 else 2 * shape.parameters + 4 * trained
    )
    gathered = 2 * shape.layer + shape.vocabulary * shape.hidden if cluster.sharded else shape.parameters
    return Plan(
        parameters=shape.parameters,
        trained=trained,
        processes=cluster.processes,
        weights=weights / shards / GIB,
        gradients=4 * trained / shards / GIB,
        optimiser=8 * trained / shards / GIB,
        gathered=(2 * gathered / GIB) if (configuration.bf16 and lora is None) or cluster.sharded else 0.0,
        activations=activations(shape, configuration) / GIB,
        available=available or cluster.memory_gib,
    )


def activations(shape: Shape, configuration: Configuration) -> float:
    """Bytes that a backward pass needs of one batch at full length.

    With checkpointing each layer keeps its input, and one layer at a time is computed again.
    """
    sequences = configuration.batch * (2 if configuration.job == "reward-pointwise" else 1)
    tokens = sequences * configuration.max_length
    size = 2 if configuration.bf16 else 4
    layer = tokens * _activation_bytes(shape, size)
    if configuration.attention == "eager":
        layer += 3 * size * shape.heads * tokens * configuration.max_length
    if configuration.gradient_checkpointing:
        return shape.layers * tokens * shape.hidden * 4 + layer
    return shape.layers * layer


def _activation_bytes(shape: Shape, size: int) -> int:
    """Bytes that autograd keeps of one token in one layer, counted over the layer's operations.

    In float32, which the residual stream and norms stay in: both norms, their input and what they scaled (4 h). In the
    compute type: what the projections read and attention keeps (q, out, both projections' inputs: 4 h; k, v repeated to
    all heads: 2 h), and the gated unit (its two halves, the product and the activation: 4 intermediate).
    """
    return 4 * 4 * shape.hidden + size * (6 * shape.hidden + 4 * shape.intermediate)


def planned_here(configuration: Configuration, base: str) -> Plan:
    """The plan of a run that starts on this machine, checked: see `plan` and `check`.

    Raises:
        TrainingRefused: this machine has fewer GPUs than the configuration wants of a node, or the run cannot fit.
    """
    import torch

    present, required = torch.cuda.device_count(), configuration.cluster.gpus
    available = torch.cuda.get_device_properties(0).total_memory / GIB if present else 0.0
    planned = plan(shape_of(configuration.base_model or base), configuration, available)
    check(planned, configuration)
    if present < required:
        raise TrainingRefused(
            f"the configuration wants {required} GPUs a node, this machine has {present}",
            setting="cluster.gpus",
            hint=f"Start it where they are, or take {configuration.job}-smoke.",
        )
    return planned


def check(planned: Plan, configuration: Configuration) -> None:
    """Refuse a run that cannot fit, with what to change.

    Raises:
        TrainingRefused: it needs more than a GPU has.
    """
    if planned.fits:
        return
    raise TrainingRefused(
        f"each of {planned.processes} GPU(s) would need {planned.needed:.0f} GiB and has {planned.available:.0f}",
        setting="the run configuration",
        hint=" ".join(advice(planned, configuration)),
    )


def advice(planned: Plan, configuration: Configuration) -> list[str]:
    """What would make room, the cheapest first."""
    suggestions = []
    if not configuration.gradient_checkpointing:
        suggestions.append("Set gradient_checkpointing.")
    if configuration.batch > 1:
        suggestions.append("Halve batch and double accumulate.")
    state = planned.weights + planned.gradients + planned.optimiser
    if not configuration.cluster.sharded:
        suggestions.append("Spread the state over GPUs: cluster.sharded with an FSDP2 accelerate file.")
    else:
        room = planned.available - _CONTEXT_GIB - (planned.gathered + planned.activations) * (1 + _FRAGMENTS)
        if room > 0:
            needed = state * planned.processes * (1 + _FRAGMENTS) / room
            suggestions.append(f"At this batch {int(needed) + 1} such GPUs would do.")
    if configuration.lora is None:
        suggestions.append("Train adapters (a [lora] table) instead of all weights.")
    return suggestions


def _adapters(shape: Shape, rank: int, targets: tuple[str, ...]) -> int:
    h, i, kv = shape.hidden, shape.intermediate, shape.kv
    ends = {
        "q_proj": h + h, "k_proj": h + kv, "v_proj": h + kv, "o_proj": h + h, "gate_proj": h + i, "up_proj": h + i,
        "down_proj": i + h,
    }  # fmt: skip
    return shape.layers * rank * sum(ends.get(name, 0) for name in targets) + h
