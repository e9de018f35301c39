"""Run configurations: one file says how a model is trained, on how many GPUs, and what they hold.

`models/training/configurations/` ships, for each training job, `<job>-smoke` (two CPU cores, under a minute),
`<job>-cluster` (8B on 8 GPUs) and `<job>-cluster-70b` (several nodes of 8). `reward-pointwise-small` trains the
embedded base model on all labels.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.errors import SettingsError

SHIPPED = Path(__file__).resolve().parent / "configurations"
Job = Literal["reward-pointwise", "reward-pairwise", "signals"]


class Part(BaseModel):
    """Frozen, and an unknown name in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Lora(Part):
    """Low-rank adapters instead of all weights; the head is always trained and saved whole."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Cluster(Part):
    """Where the run belongs.

    Attributes:
        accelerate: file of `models/training/configurations/` for `accelerate launch`, or empty: one process.
        memory_gib: of one GPU.
        sharded: FSDP2 spreads weights, gradients and optimiser over all GPUs.
    """

    nodes: int = Field(1, ge=1)
    gpus: int = Field(0, ge=0)
    memory_gib: float = Field(0.0, ge=0)
    sharded: bool = False
    accelerate: str = ""

    @property
    def processes(self) -> int:
        """One a GPU over all nodes; at least one."""
        return max(self.gpus, 1) * self.nodes


class Configuration(Part):
    """How one model is trained. Batch sizes are in rows: pairs for reward models, responses for signals.

    Attributes:
        base_model: hub id, folder or name of an embedded model; empty: `training.base_model` of the settings.
        steps: optimiser steps; 0: `epochs` passes over the rows.
        batch: rows of one process at once; `accumulate` such batches make a step.
        by_length: rows of similar length share a batch, which saves padding. Batches are drawn by the seed and depend
            on `batch`, so that several processes see other batches than one.
        max_length: tokens of one sequence, or what the base model reads where that is less; contexts are shortened to
            it from the oldest turn, and counted.
        frozen_layers: so many of the lowest layers stay as they are, and with them the embeddings.
        center: weight of (r_c + r_r)^2, which keeps pointwise rewards around zero (arXiv:2312.09244).
        margin: m of log s(r_c - r_r - m), scaled by how far a pair's labels agree (arXiv:2307.09288).
        pos_weight: weight of positive rows of a signal; `balanced`: negatives / positives.
        attention: transformers' `attn_implementation`.
        save_steps: a checkpoint every so many steps, from which a killed run goes on.
    """

    job: Job
    base_model: str = ""
    seed: int = 7
    epochs: float = Field(1.0, gt=0)
    steps: int = Field(0, ge=0)
    batch: int = Field(8, ge=1)
    accumulate: int = Field(1, ge=1)
    by_length: bool = False
    learning_rate: float = Field(..., gt=0)
    warmup: float = Field(0.03, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0)
    max_length: int = Field(1024, ge=16)
    frozen_layers: int = Field(0, ge=0)
    bf16: bool = False
    gradient_checkpointing: bool = False
    compile: bool = False
    attention: Literal["", "eager", "sdpa", "flash_attention_2"] = ""
    lora: Lora | None = None
    center: float = Field(0.0, ge=0)
    margin: float = Field(0.0, ge=0)
    pos_weight: float | Literal["balanced"] | None = None
    save_steps: int = Field(500, ge=1)
    cluster: Cluster = Cluster()

    @model_validator(mode="after")
    def _belongs(self) -> Configuration:
        if self.job != "reward-pointwise" and (self.center or self.margin):
            raise ValueError("center and margin are options of reward-pointwise only")
        if self.job != "signals" and self.pos_weight is not None:
            raise ValueError("pos_weight is an option of signals only")
        if self.cluster.sharded and self.cluster.processes < 2:
            raise ValueError("there is nothing to spread over fewer than two GPUs")
        return self

    @property
    def rows_a_step(self) -> int:
        """Rows of one optimiser step over all processes."""
        return self.batch * self.accumulate * self.cluster.processes

    def fingerprint(self, *more: str) -> str:
        """Sixteen hex digits of all that decides the result, with what else the caller names (data, base model).

        How often it is saved does not, nor how much memory a GPU has.
        """
        told = self.model_dump(mode="json", exclude={"save_steps": True, "cluster": {"memory_gib"}})
        text = json.dumps([told, *more], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def configuration(name: str | Path, **changes: Any) -> Configuration:
    """A shipped configuration by name, or one by the path of its TOML file; `changes` replace single values.

    Raises:
        SettingsError: there is no such file, or a value in it is wrong.
    """
    shipped = SHIPPED / f"{name}.toml"
    file = shipped if shipped.is_file() else Path(name)
    if not file.is_file():
        raise SettingsError(
            f"there is no run configuration {name}",
            hint=f"Give a TOML file, or one of {', '.join(shipped_names())}.",
        )
    try:
        return Configuration.model_validate({**tomllib.loads(file.read_text(encoding="utf-8")), **changes})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "(several)"
        raise SettingsError(f"{file.name}: {first['msg']}", setting=place, hint="Mend the file.") from None
    except ValueError as error:  # TOML that does not parse
        raise SettingsError(f"{file.name} cannot be read: {error}", hint="Mend the file.") from None


def shipped_names() -> list[str]:
    """Names of the configurations that come with the project."""
    return sorted(file.stem for file in SHIPPED.glob("*.toml"))
