"""Progress reports of a run, its stop on a loss that is not finite, and which checkpoints are complete."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.errors import TrainingRefused
from infra.storage import write_file

CHECKPOINT = "checkpoint"
HEARTBEAT = "progress.json"
_WHOLE = "whole"

Progress = Callable[[int, int, float], None]
"""Called with steps done, all steps and the loss, at every report."""


def whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; half-written ones are removed.

    Only the first rank removes, and before any rank trains; the others skip what has no mark all the same.
    """
    checkpoints = sorted(folder.glob(f"{CHECKPOINT}-*"), key=lambda path: int(path.name.rsplit("-", 1)[1]))
    complete = [path for path in checkpoints if (path / _WHOLE).is_file()]
    if os.environ.get("RANK", "0") == "0":
        for path in set(checkpoints) - set(complete):
            shutil.rmtree(path, ignore_errors=True)
    return str(complete[-1]) if complete else None


def callbacks(folder: Path, progress: Progress | None) -> list[Any]:
    """The callbacks that every run has."""
    from transformers import TrainerCallback

    class RunCallback(TrainerCallback):  # type: ignore[misc]
        """Reports progress, writes the heartbeat, and stops on a loss that is not finite."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            if not math.isfinite(float(loss)):
                raise TrainingRefused(
                    f"the loss is {loss} at step {state.global_step}",
                    hint="Lower learning_rate, raise warmup, or train without bf16.",
                )
            if state.is_world_process_zero:
                _beat(folder / HEARTBEAT, state.global_step, state.max_steps, float(loss))
                if progress is not None:
                    progress(state.global_step, state.max_steps, float(loss))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Mark the checkpoint as complete once every rank has written its part."""
            import torch.distributed as ranks

            if ranks.is_available() and ranks.is_initialized():
                ranks.barrier()
            if state.is_world_process_zero:
                (folder / f"{CHECKPOINT}-{state.global_step}" / _WHOLE).touch()

    return [RunCallback()]


def _beat(file: Path, step: int, steps: int, loss: float) -> None:
    """Write the heartbeat file: its time shows that the run is alive."""
    state = {"step": step, "steps": steps, "loss": loss, "time": time.time()}
    write_file(file, json.dumps(state), durable=False)
