"""What MLflow needs to load a registered model: `mlflow.pyfunc.load_model("models:/reward-pointwise@candidate")`.

The files stand beside the model's own and are no part of its identity: signature, an example, versions of packages, and
the name of this module, by which MLflow calls `_load_pyfunc`. The interpreter must find this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from infra.errors import TrainingRefused

if TYPE_CHECKING:
    import pandas as pd

_KIND, _LONGEST = "kind", "longest"
_PACKAGES = ("mlflow", "pandas", "torch", "transformers")
_CONTEXT = '{"messages": [{"role": "user", "content": "I had a long day."}]}'
_RESPONSES = ("Do you want to tell me about it?", "As an assistant, I do not have days.")
Kind = Literal["pointwise", "pairwise", "signal"]
_OUTPUT: Mapping[Kind, str] = {"pointwise": "reward", "pairwise": "preference", "signal": "probability"}


@dataclass(frozen=True)
class Served:
    """How a model is asked through MLflow.

    Attributes:
        kind: `pointwise` gives a reward for a response; `pairwise` a preference, above 0 for `response_a`; `signal` the
            probability that a user does it after the response.
        longest: most tokens of a sequence, as in training: older turns are left out.
    """

    kind: Kind
    longest: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a row that is asked about, all text; `context` is JSON as in `curation.samples`."""
        return ("context", "response_a", "response_b") if self.kind == "pairwise" else ("context", "response")

    @property
    def output(self) -> str:
        """The column of the answer."""
        return _OUTPUT[self.kind]

    def write(self, folder: Path, model_id: str, run_id: str) -> None:
        """Write MLflow's files of the model into the folder that is uploaded."""
        import pandas as pd
        from mlflow import pyfunc
        from mlflow.models import Model, ModelSignature
        from mlflow.models.utils import _save_example
        from mlflow.types.schema import ColSpec, Schema

        columns = [ColSpec("string", name) for name in self.columns]
        description = Model(
            run_id=run_id,
            model_id=model_id,
            signature=ModelSignature(Schema(columns), Schema([ColSpec("double", self.output)])),
        )
        example = dict(zip(self.columns, (_CONTEXT, *_RESPONSES), strict=False))
        _save_example(description, pd.DataFrame([example]), str(folder))
        pyfunc.add_to_model(description, __name__, model_config={_KIND: self.kind, _LONGEST: self.longest})
        description.save(str(folder / "MLmodel"))
        pins = "".join(f"{name}=={version(name)}\n" for name in _PACKAGES)
        (folder / "requirements.txt").write_text(pins, encoding="utf-8")


class Loaded:
    """A registered model, loaded: what MLflow hands out."""

    def __init__(self, folder: Path, served: Served) -> None:
        from models.training.fitting import Fitting
        from models.training.scoring import load
        from models.training.sequences import tokenizer_of

        self._folder, self._served = folder, served
        self._network = load(folder)
        longest = min(
            served.longest, int(getattr(self._network.config, "max_position_embeddings", 0) or 2**31)
        )
        self._fitting = Fitting(tokenizer_of(str(folder)), longest)

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """One answer a row, NaN where even the last message and the response are too long together.

        Raises:
            TrainingRefused: a context is not the JSON of `models.chat.conversation`.
        """
        import numpy as np
        import pandas as pd

        from models.training.scoring import score

        fitted = [self._sequences(row) for _, row in model_input.iterrows()]
        asked = [row for row, sequences in enumerate(fitted) if sequences is not None]
        flat = [sequence for sequences in fitted if sequences is not None for sequence in sequences]
        answers = np.full(len(fitted), np.nan)
        if flat:
            answers[asked] = self._answers(np.asarray(score(self._network, flat), dtype=np.float64))
        return pd.DataFrame({self._served.output: answers})

    def _sequences(self, row: pd.Series[Any]) -> Any:
        from models.chat.conversation import messages
        from models.reward.pairwise import both_orders

        context = messages(str(row["context"]))
        if self._served.kind == "pairwise":
            return both_orders(self._fitting, context, str(row["response_a"]), str(row["response_b"]))
        return self._fitting.answered(context, str(row["response"]))

    def _answers(self, logits: Any) -> Any:
        if self._served.kind == "pairwise":
            return (logits[0::2] - logits[1::2]) / 2
        if self._served.kind == "signal":
            from models.signals.transformer import calibration_of

            return calibration_of(self._folder)(logits)
        return logits


def _load_pyfunc(data_path: str, model_config: Mapping[str, Any] | None = None) -> Loaded:
    """Called by MLflow with the downloaded folder."""
    from models.registry.entry import unchanged_files

    settings = model_config or {}
    if settings.get(_KIND) not in _OUTPUT:
        raise TrainingRefused(
            "the model does not say what it is asked", hint="Register it again: flywheel train."
        )
    return Loaded(unchanged_files(Path(data_path)), Served(settings[_KIND], int(settings[_LONGEST])))
