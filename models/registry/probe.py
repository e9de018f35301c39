"""Does what was stored give the logits of what was trained? Asked of a few sequences, before a version may exist.

A PEFT model whose base is a local folder, or a checkpoint without its head, loads without an error and with random
weights: nothing but its logits tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.errors import RegistrationRefused

# In the largest of the logits' sizes and 1: the same weights on another device or in other batches differ by less.
_TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}

Logits = npt.NDArray[np.float32]


def logits(folder: Path, probe: Sequence[list[int]]) -> tuple[Logits, str]:
    """Logit of each sequence by the classifier in the folder, and the type of its weights.

    Raises:
        RegistrationRefused: the folder lacks weights that the model has, or gives a logit that is not finite.
    """
    from models.training.scoring import score

    model = _whole(folder)
    found = score(model, probe)
    if not np.isfinite(found).all():
        raise RegistrationRefused(
            f"{int((~np.isfinite(found)).sum())} of {len(found)} probe logits are not finite"
        )
    return found, str(model.dtype).removeprefix("torch.")


def check_same(stored: Path, probe: Sequence[list[int]], wanted: Sequence[float], what: str) -> None:
    """Raises RegistrationRefused when the stored model's logits of the probe are not `wanted`."""
    found, dtype = logits(stored, probe)
    expected = np.asarray(wanted, dtype=np.float32)
    scale = np.maximum(np.abs(expected), 1.0)
    apart = float((np.abs(found - expected) / scale).max()) if len(found) == len(expected) else float("inf")
    if not apart <= _TOLERANCE.get(dtype, _TOLERANCE["float32"]):
        raise RegistrationRefused(
            f"the stored model does not give the logits of {what}: they differ by {apart:.3g} on the probe",
            hint="Were adapters merged, and is the head among what was saved?",
        )


def _whole(folder: Path) -> Any:
    """The classifier of a folder, on the GPU if there is one, in the type that it was saved in."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from models.training.scoring import lacking_weights
    from models.training.sequences import quiet

    try:
        with quiet():
            model, told = AutoModelForSequenceClassification.from_pretrained(
                str(folder), dtype="auto", output_loading_info=True, local_files_only=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise RegistrationRefused(f"the stored model cannot be loaded: {type(error).__name__}") from error
    if lacking := lacking_weights(told):
        raise RegistrationRefused(
            f"the folder lacks {len(lacking)} of the model's weights, {lacking[0]} among them: they would be random",
            hint="Save the trained classifier itself with save_pretrained, merged if it was LoRA.",
        )
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
