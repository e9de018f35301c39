"""What training costs: on a GPU tokens a second and model-FLOP utilisation, on a CPU our trainer beside bare TRL.

    python -m benchmarks.training --size 256            # CPU part; the GPU part where there is a GPU
    python -m benchmarks.training --shape 1b --batch 4  # on a GPU

The race is on the same pairs, base model, seed and arguments; both sides read text and end with a saved model, and
their weights must be equal. Utilisation counts 6 FLOPs a weight and token and causal attention (6 layers x hidden x
tokens), not what checkpointing computes again, over the card's dense bfloat16 peak.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.race import alternate, arguments, close, table
from models.chat.conversation import context_of, messages
from models.chat.preferences import Pair
from models.reward.train import train
from models.text.language.romanised_hindi import corpus_lines
from models.training.arguments import arguments as trainer_arguments
from models.training.base import embedded
from models.training.configuration import Configuration, configuration
from models.training.memory import GIB, Shape, plan

SHAPES = {
    "tiny": Shape(128, 384, 2, 4, 2, 2048),
    "1b": Shape(2048, 5632, 22, 32, 4, 32000),
    "8b": Shape(4096, 14336, 32, 32, 8, 128256),
}
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12}
"""Dense bfloat16 FLOP/s by card."""
_STEPS, _WARM = 12, 4
_LEAST_EAGER, _LEAST_COMPILED, _MOST_RATIO = 0.33, 0.44, 1.05


def main() -> None:
    """Measure what this machine can."""
    more = {
        "shape": ("1b", "model on the GPU"),
        "batch": ("4", "sequences"),
        "length": ("4096", "tokens of each"),
    }
    options = arguments(__doc__, 256, {**more, "rounds": ("3", "of the CPU race")})
    import torch

    figures: dict[str, Any] = {"seed": options.seed, "pairs": options.size}
    goal: dict[str, Any] = {"ours / bare TRL, CPU seconds, at most": _MOST_RATIO}
    passed = {"ours / bare TRL": _race(options.size, options.seed, int(options.rounds), figures)}
    if torch.cuda.is_available():
        goal |= {"MFU eager, at least": _LEAST_EAGER, "MFU compiled, at least": _LEAST_COMPILED}
        for compiled, least in ((False, _LEAST_EAGER), (True, _LEAST_COMPILED)):
            name = f"MFU {'compiled' if compiled else 'eager'}"
            mfu = _throughput(
                SHAPES[options.shape], int(options.batch), int(options.length), compiled, figures
            )
            passed[name] = mfu is not None and mfu >= least
    else:
        print("no GPU here: tokens/s, utilisation and memory were not measured")
        figures["gpu"] = None
    close("training", figures, goal, passed)


def _race(size: int, seed: int, rounds: int, figures: dict[str, Any]) -> bool:
    pairs = _pairs(size)
    chosen = configuration("reward-pointwise-smoke", seed=seed, epochs=1, center=0.0)
    base = str(embedded())
    _bare(pairs[:8], chosen.model_copy(update={"steps": 1}), base)  # imports are neither side's
    seconds, weights = alternate(
        {"ours": lambda: _ours(pairs, chosen, base), "bare TRL": lambda: _bare(pairs, chosen, base)}, rounds
    )
    assert weights["ours"].keys() == weights["bare TRL"].keys()
    for name, tensor in weights["ours"].items():
        assert tensor.equal(weights["bare TRL"][name]), f"{name} differs: not the same work"
    ratio = seconds["ours"] / seconds["bare TRL"]
    print(table(["side", "CPU seconds (median)"], [[name, round(s, 2)] for name, s in seconds.items()]))
    figures |= {f"cpu_seconds_{name}": round(s, 3) for name, s in seconds.items()}
    figures |= {"ratio": round(ratio, 3), "rounds": rounds, "weights_equal": True}
    return ratio <= _MOST_RATIO


def _ours(pairs: Sequence[Pair], chosen: Configuration, base: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return _weights(train("pointwise", pairs, chosen, base, Path(folder)).folder)


def _bare(pairs: Sequence[Pair], chosen: Configuration, base: str) -> dict[str, Any]:
    """As TRL's documentation has it, with our arguments."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import RewardConfig, RewardTrainer

    rows = [
        {
            "prompt": messages(pair.context),
            "chosen": [{"role": "assistant", "content": pair.chosen}],
            "rejected": [{"role": "assistant", "content": pair.rejected}],
        }
        for pair in pairs
    ]
    with tempfile.TemporaryDirectory() as folder:
        trainer = RewardTrainer(
            model=base,
            args=trainer_arguments(chosen, Path(folder), len(rows), RewardConfig, max_length=None),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(base),
        )
        trainer.train()
        trainer.save_model(f"{folder}/model")
        return _weights(Path(folder) / "model")


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def _pairs(size: int) -> list[Pair]:
    """Packaged lines: an answer against the next conversation's."""
    lines = corpus_lines("english")
    pairs = []
    for number in range(size):
        place = 2 * number % (len(lines) - 4)
        context = context_of([{"role": "user", "content": lines[place]}])
        better, worse = lines[place + 1], lines[place + 3]
        pairs.append(
            Pair(f"p{number}", context, better, worse + " " * (better == worse), "260101", "static", "train")
        )
    return pairs


def _throughput(
    shape: Shape, batch: int, length: int, compiled: bool, figures: dict[str, Any]
) -> float | None:
    """Tokens a second of a pairwise run at full length, after warming up; None for a card whose peak is not known."""
    import torch

    configuration = Configuration(
        job="reward-pairwise", learning_rate=1e-5, batch=batch, max_length=length, steps=_STEPS, bf16=True,
        gradient_checkpointing=True, compile=compiled, attention="sdpa", save_steps=10**6,
    )  # fmt: skip
    torch.cuda.reset_peak_memory_stats()
    seconds = _seconds_a_step(shape, configuration)
    tokens = batch * length / seconds
    weights = shape.layers * shape.layer
    flops = 6 * weights + 6 * shape.layers * shape.hidden * length
    card = torch.cuda.get_device_name(0)
    peak = next((value for name, value in PEAKS.items() if name in card), None)
    used = None if peak is None else tokens * flops / peak
    planned = plan(shape, configuration).needed
    name = "compiled" if compiled else "eager"
    reserved = torch.cuda.max_memory_reserved() / GIB
    figures |= {
        "gpu": card, f"{name}_tokens_per_s": round(tokens), f"{name}_mfu": None if used is None else round(used, 3),
        f"{name}_memory_gib": round(reserved, 1), f"{name}_memory_planned_gib": round(planned, 1),
    }  # fmt: skip
    print(
        f"{card}, {name}: {tokens:,.0f} tokens/s, MFU {used}, {reserved:.1f} GiB held, {planned:.1f} planned"
    )
    return used


def _seconds_a_step(shape: Shape, configuration: Configuration) -> float:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, LlamaConfig, TrainerCallback

    from models.training.binary import BinaryTrainer

    config = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.hidden, intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        max_position_embeddings=configuration.max_length, num_labels=1, pad_token_id=0, use_cache=False,
    )  # fmt: skip
    with torch.device("cuda"):
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    rows = torch.randint(
        1, shape.vocabulary, (configuration.batch * _STEPS, configuration.max_length)
    ).tolist()
    times: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            torch.cuda.synchronize()
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        trainer = BinaryTrainer(
            model=model,
            args=trainer_arguments(configuration, Path(folder), len(rows)),
            train_dataset=Dataset.from_dict({"input_ids": rows, "labels": [n % 2 for n in range(len(rows))]}),
        )
        trainer.add_callback(Clock())
        trainer.train()
    return (times[-1] - times[_WARM - 1]) / (len(times) - _WARM)


if __name__ == "__main__":
    main()
