from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra.errors import SettingsError, TrainingRefused
from models.training.configuration import SHIPPED, Cluster, Configuration, configuration, shipped_names
from models.training.memory import KNOWN, Shape, activations, check, plan, shape_of
from tests.models.tiny import tiny_base


def test_every_training_job_has_a_smoke_and_two_cluster_configurations() -> None:
    jobs = ("reward-pointwise", "reward-pairwise", "signals")
    assert set(shipped_names()) == {
        f"{job}-{size}" for job in jobs for size in ("smoke", "cluster", "cluster-70b")
    } | {"reward-pointwise-small"}


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_configuration_loads_fits_and_agrees_with_its_accelerate_file(name: str) -> None:
    shipped = configuration(name)
    assert name.startswith(shipped.job)
    planned = plan(shape_of(shipped.base_model or tiny_base()), shipped)
    check(planned, shipped)
    if not shipped.cluster.accelerate:
        return
    told = yaml.safe_load((SHIPPED / shipped.cluster.accelerate).read_text())
    assert told["num_processes"] == shipped.cluster.processes
    assert told["num_machines"] == shipped.cluster.nodes
    assert (told["distributed_type"] == "FSDP") == shipped.cluster.sharded
    assert (told["mixed_precision"] == "bf16") == shipped.bf16
    # Both at once would compute everything three times.
    assert not told["fsdp_config"]["fsdp_activation_checkpointing"] or not shipped.gradient_checkpointing
    assert planned.needed > 0.2 * planned.available, "far too many GPUs"


def test_a_file_that_is_wrong_says_where(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    for text, place in (
        ("job = 'signals'\nlearning_rate = 0", "learning_rate"),
        ("jbo = 1", "job"),
        ("= 1", "read"),
    ):
        file.write_text(text)
        with pytest.raises(SettingsError, match=place):
            configuration(file)
    with pytest.raises(SettingsError, match="reward-pairwise-smoke"):
        configuration("reward-pairwise-smok")
    with pytest.raises(SettingsError, match="margin"):
        configuration("reward-pairwise-smoke", margin=1.0)


def test_what_decides_the_result_is_in_the_fingerprint_and_nothing_else() -> None:
    one = configuration("reward-pointwise-smoke")
    assert one.fingerprint() == one.model_copy(update={"save_steps": 7}).fingerprint()
    assert one.fingerprint() != one.model_copy(update={"seed": 8}).fingerprint()
    assert one.fingerprint("data") != one.fingerprint("other data")


@pytest.mark.parametrize(("hidden", "intermediate", "layers", "kv"), [(128, 384, 2, 2), (128, 512, 4, 4)])
def test_planned_activations_are_what_autograd_keeps(
    hidden: int, intermediate: int, layers: int, kv: int
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, LlamaConfig

    config = LlamaConfig(
        vocab_size=500, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=kv, num_labels=1, pad_token_id=0, use_cache=False,
    )  # fmt: skip
    model = AutoModelForSequenceClassification.from_config(config).train()
    shape = Shape.of(config)
    assert sum(p.numel() for p in model.parameters()) == shape.parameters
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.randint(1, 500, (4, 256))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum()
    counted = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    asked = Configuration(job="reward-pairwise", learning_rate=1e-3, batch=4, max_length=256)
    assert activations(shape, asked) == pytest.approx(counted, rel=0.15)


def test_a_run_that_cannot_fit_says_what_would_do() -> None:
    shape = KNOWN["meta-llama/Llama-3.1-70B"]
    assert shape.parameters == pytest.approx(69.5e9, rel=0.01)
    asked = configuration("reward-pointwise-cluster-70b")
    few = asked.model_copy(update={"cluster": Cluster(gpus=8, memory_gib=80, sharded=True, accelerate="x")})
    with pytest.raises(
        TrainingRefused, match=r"would need 1\d\d GiB and has 80.*\d\d such GPUs would do.*lora"
    ):
        check(plan(shape, few), few)
    alone = configuration("signals-cluster", cluster=Cluster(gpus=1, memory_gib=80))
    with pytest.raises(TrainingRefused, match="Spread the state over GPUs"):
        check(plan(KNOWN["meta-llama/Llama-3.1-8B"], alone), alone)
    adapted = configuration(
        "signals-cluster", cluster=Cluster(gpus=1, memory_gib=80), lora={"rank": 16}, batch=1
    )
    check(plan(KNOWN["meta-llama/Llama-3.1-8B"], adapted), adapted)
