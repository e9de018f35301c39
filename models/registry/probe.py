"""Check before a version is created that the stored model gives the same logits as the trained one.

The check uses a few probe sequences. A PEFT model whose base is a local folder, or a checkpoint without its head, loads
without an error but with random weights: only its logits show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.errors import RegistrationRefused

# Relative to max(|logit|, 1). The same weights on another device or in other batches differ by less.
_TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}

Logits = npt.NDArray[np.float32]


def logits(folder: Path, probe: Sequence[list[int]]) -> tuple[Logits, str]:
    """Logit of each sequence by the classifier in the folder, and the dtype of its weights.

    Raises:
        RegistrationRefused: the folder lacks some of the model's weights, or a logit is not finite.
    """
    from models.training.scoring import score

    model = _classifier(folder)
    values = score(model, probe)
    if not np.isfinite(values).all():
        raise RegistrationRefused(
            f"{int((~np.isfinite(values)).sum())} of {len(values)} probe logits are not finite"
        )
    return values, str(model.dtype).removeprefix("torch.")


def check_same(
    stored: Path, probe: Sequence[list[int]], expected_logits: Sequence[float], compared_with: str
) -> None:
    """Raises RegistrationRefused when the stored model's logits of the probe differ from `expected_logits`."""
    actual, dtype = logits(stored, probe)
    expected_array = np.asarray(expected_logits, dtype=np.float32)
    scale = np.maximum(np.abs(expected_array), 1.0)
    difference = (
        float((np.abs(actual - expected_array) / scale).max())
        if len(actual) == len(expected_array)
        else float("inf")
    )
    if not difference <= _TOLERANCE.get(dtype, _TOLERANCE["float32"]):
        raise RegistrationRefused(
            f"the stored model does not reproduce the logits of {compared_with}: "
            f"they differ by {difference:.3g} on the probe",
            hint="Check that the adapters were merged and that the head was saved.",
        )


def _classifier(folder: Path) -> Any:
    """The classifier of a folder, on the GPU if there is one, in the dtype that it was saved in."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from models.training.scoring import lacking_weights
    from models.training.sequences import quiet

    try:
        with quiet():
            model, loading_info = AutoModelForSequenceClassification.from_pretrained(
                str(folder), dtype="auto", output_loading_info=True, local_files_only=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise RegistrationRefused(f"the stored model cannot be loaded: {type(error).__name__}") from error
    if missing := lacking_weights(loading_info):
        raise RegistrationRefused(
            f"the folder is missing {len(missing)} of the model's weights, such as {missing[0]}: they would be random",
            hint="Save the trained classifier itself with save_pretrained, merged if it was LoRA.",
        )
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
