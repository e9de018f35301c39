from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from infra.errors import TrainingRefused
from models.training.binary import binary_loss
from models.training.run import done, prepare, start
from models.training.scoring import score
from tests.models.tiny import Interrupted, interrupt_at, smoke, tiny_base

ROOT = Path(__file__).parents[3]


def columns(n: int = 96, seed: int = 0) -> dict[str, Any]:
    """Sequences whose last token but one tells the label."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, n).tolist()
    rows = [[*draw.integers(40, 200, draw.integers(4, 20)).tolist(), 300 + label] for label in labels]
    return {"input_ids": rows, "labels": labels}


def test_the_loss_is_the_equation() -> None:
    z, t = [1.5, -0.5, 2.0], [1.0, 0.0, 0.0]
    sure = [1 / (1 + math.exp(-x)) for x in z]
    by_hand = [-(y * math.log(p) + (1 - y) * math.log(1 - p)) for p, y in zip(sure, t, strict=True)]
    assert binary_loss(torch.tensor(z), torch.tensor(t)).item() == pytest.approx(sum(by_hand) / 3, rel=1e-6)
    weighted = [by_hand[0] * 4, by_hand[1], by_hand[2]]
    assert binary_loss(torch.tensor(z), torch.tensor(t), 4.0).item() == pytest.approx(
        sum(weighted) / 3, rel=1e-6
    )


def test_a_signal_is_learnt_and_a_run_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    rows, asked = columns(), smoke("signals", epochs=5)
    folder = prepare(tmp_path, asked, tiny_base(), rows, pos_weight=2.0)
    model = start(folder)
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["model"], (
        "rows and checkpoints are gone"
    )
    assert folder.stat().st_mode & 0o077 == 0
    fresh = columns(seed=1)
    assert ((score(model, fresh["input_ids"]) > 0) == np.array(fresh["labels"], dtype=bool)).mean() > 0.9
    before = (model / "model.safetensors").stat().st_mtime_ns
    assert prepare(tmp_path, asked, tiny_base(), rows, pos_weight=2.0) == folder
    assert start(folder) == model
    assert (model / "model.safetensors").stat().st_mtime_ns == before
    assert prepare(tmp_path, asked, tiny_base(), rows, pos_weight=3.0) != folder


@pytest.mark.parametrize("by_length", [False, True])
def test_an_interrupted_run_sees_the_same_batches(tmp_path: Path, by_length: bool) -> None:
    """Also in a later epoch, whose order is drawn anew."""
    rows = columns()
    rows["input_ids"] = [ids[: 2 + n % 9] for n, ids in enumerate(rows["input_ids"])]
    asked = smoke("signals", steps=20, save_steps=3, by_length=by_length)
    whole = start(prepare(tmp_path / "whole", asked, tiny_base(), rows))
    folder = prepare(tmp_path / "stopped", asked, tiny_base(), rows)
    with pytest.raises(Interrupted):
        start(folder, interrupt_at(14))
    steps: list[int] = []
    resumed = start(folder, lambda step, of, loss: steps.append(step))
    assert steps[0] > 12, "it began again"
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_killed_run_goes_on_and_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    asked = smoke("signals", steps=30, save_steps=5, learning_rate=1e-3)
    whole = start(prepare(tmp_path / "whole", asked, tiny_base(), columns()))
    folder = prepare(tmp_path / "killed", asked, tiny_base(), columns())
    run = subprocess.Popen(
        [sys.executable, "-m", "models.training", str(folder)],
        cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "1"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not list(folder.glob("checkpoint-*/whole")) and run.poll() is None:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not done(folder), "it was killed too late to show anything"
    # A checkpoint that was being written has no mark: it is not trusted.
    torn = folder / "checkpoint-999"
    torn.mkdir()
    (torn / "trainer_state.json").write_text("{")
    steps: list[int] = []
    resumed = start(folder, lambda step, of, loss: steps.append(step))
    assert steps[0] > 5, "it began again"
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.nightly
def test_two_ranks_end_with_the_weights_of_one_process_with_twice_the_batch(tmp_path: Path) -> None:
    two = {"gpus": 2, "accelerate": "accelerate-2cpu.yaml"}
    asked = {"steps": 12, "save_steps": 5, "learning_rate": 1e-3}
    launched = prepare(
        tmp_path / "two", smoke("signals", batch=8, cluster=two, **asked), tiny_base(), columns()
    )
    together = load_file(start(launched) / "model.safetensors")
    alone = start(prepare(tmp_path / "one", smoke("signals", batch=16, **asked), tiny_base(), columns()))
    for name, weights in load_file(alone / "model.safetensors").items():
        torch.testing.assert_close(together[name], weights, rtol=1e-4, atol=1e-5)
    assert json.loads((launched / "progress.json").read_text())["step"] == 12, (
        "the first rank speaks for both"
    )


def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    folder = prepare(tmp_path, smoke("signals"), tiny_base(), columns())

    def ask_again(*_: object) -> None:
        with pytest.raises(TrainingRefused, match="by another process"):
            start(folder)

    start(folder, ask_again)
    assert done(folder)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    asked = smoke("signals", learning_rate=1e30, clip=1e30, warmup=0.0)
    with pytest.raises(TrainingRefused, match=r"the loss is (nan|inf)"):
        start(prepare(tmp_path, asked, tiny_base(), columns()))


def test_nothing_to_train_on_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingRefused, match="no rows"):
        prepare(tmp_path, smoke("signals"), tiny_base(), {"input_ids": [], "labels": []})


def test_adapters_are_merged_with_the_head_they_trained(tmp_path: Path) -> None:
    asked = smoke("signals", lora={"rank": 4}, epochs=8, learning_rate=1e-2)
    model = start(prepare(tmp_path, asked, tiny_base(), columns()))
    assert not (model / "adapter_config.json").exists()
    fresh = columns(seed=1)
    assert ((score(model, fresh["input_ids"]) > 0) == np.array(fresh["labels"], dtype=bool)).mean() > 0.9
