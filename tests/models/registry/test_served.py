"""MLflow loads what is registered, by name and alias, and gets the figures that the trained model gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from infra.errors import TrainingRefused
from infra.settings import Settings, load_settings
from models.calibration import calibrate
from models.chat.conversation import context_of
from models.registry import tracking
from models.registry.register import Lineage, Presentation, fetch, register
from models.registry.served import Served, _load_pyfunc
from models.training.sequences import classifier
from tests.conftest import REPOSITORY, with_registry
from tests.models.tiny import tiny_base

ASKED = [("hello", "hi there"), ("tell me a story", "no"), ("tell me a story", "once upon a time " * 3)]
LOSSES = [(10, 0.7), (20, 0.5), (30, 0.6)]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return with_registry(load_settings(home=tmp_path_factory.mktemp("served")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("classifier")
    model, tokenizer = classifier(tiny_base(), 3)
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)
    logits = np.array([-1.0, 0.0, 1.0, 2.0] * 30)
    calibration = calibrate(logits, logits > 0.5)
    (made / "calibration.json").write_text(json.dumps(calibration.as_dict()))
    return made


@pytest.fixture(scope="module", autouse=True)
def registered(settings: Settings, folder: Path) -> None:
    for kind in ("pointwise", "pairwise", "signal"):
        shown = Presentation({"loss": LOSSES}, Served(kind, 64), f"the {kind} version", f"the {kind} model")
        lineage = Lineage((), "tiny", "b" * 64, "t" * 64, 7, {"kind": kind})
        register(settings, kind, folder, lineage, {"accuracy": 0.6}, [[5, 6, 7]], presentation=shown)


def rows(kind: str) -> pd.DataFrame:
    contexts = [context_of([{"role": "user", "content": said}]) for said, _ in ASKED]
    answers = [answer for _, answer in ASKED]
    if kind == "pairwise":
        return pd.DataFrame({"context": contexts, "response_a": answers, "response_b": answers[::-1]})
    return pd.DataFrame({"context": contexts, "response": answers})


def loaded(settings: Settings, name: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(tracking.tracking_uri(settings))
    return mlflow.pyfunc.load_model(f"models:/{name}@candidate")


@pytest.mark.parametrize("kind", ["pointwise", "pairwise", "signal"])
def test_mlflow_gives_what_the_model_gives(settings: Settings, folder: Path, kind: str) -> None:
    model = loaded(settings, kind)
    answers = model.predict(rows(kind))
    (column,) = answers.columns
    values = answers[column].to_numpy()
    assert np.isfinite(values).all()
    assert len({round(value, 6) for value in values}) > 1
    if kind == "pairwise":
        swapped = rows(kind).rename(columns={"response_a": "response_b", "response_b": "response_a"})
        assert model.predict(swapped)[column].to_numpy() == pytest.approx(-values, abs=1e-6)
    if kind == "signal":
        assert ((values > 0) & (values < 1)).all()
    if kind == "pointwise":
        from models.chat.conversation import messages
        from models.training.scoring import score
        from models.training.sequences import chat, tokenizer_of

        tokenizer = tokenizer_of(str(folder))
        asked = [
            chat(tokenizer, [*messages(row["context"]), {"role": "assistant", "content": row["response"]}])
            for row in rows(kind).to_dict("records")
        ]
        assert values == pytest.approx(score(folder, asked), abs=1e-5)


@pytest.mark.parametrize("kind", ["pointwise", "pairwise", "signal"])
def test_signature_and_example_stand_with_the_model(settings: Settings, kind: str) -> None:
    model = loaded(settings, kind)
    assert model.metadata.signature.inputs.input_names() == list(rows(kind).columns)
    assert np.isfinite(model.predict(model.input_example).to_numpy()).all()
    with pytest.raises(Exception, match="context"):
        model.predict(pd.DataFrame({"text": ["x"]}))


@pytest.mark.nightly
def test_another_process_loads_it_by_name(settings: Settings) -> None:
    code = (
        "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]);"
        "m = mlflow.pyfunc.load_model('models:/pointwise@candidate'); print(m.predict(m.input_example)['reward'][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tracking.tracking_uri(settings)],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout.split()[-1]) == float(done.stdout.split()[-1])


def test_mlflow_shows_descriptions_and_the_loss_curve(settings: Settings) -> None:
    client = tracking.client(settings)
    assert client.get_registered_model("pairwise").description == "the pairwise model"
    version = tracking.version_of(settings, "pairwise@candidate")
    assert version.description == "the pairwise version"
    history = client.get_metric_history(version.run_id, "loss")
    assert [(point.step, point.value) for point in history] == LOSSES
    assert client.get_run(version.run_id).data.metrics["accuracy"] == 0.6


def test_files_of_mlflow_are_no_part_of_the_model(settings: Settings, folder: Path) -> None:
    """The same weights are the same version, and a fetched copy is whole."""
    again = register(
        settings,
        "signal",
        folder,
        Lineage((), "tiny", "b" * 64, "t" * 64, 7, {"kind": "signal"}),
        {},
        [[5, 6, 7]],
    )
    assert (again.version, again.created) == (1, False)
    assert (fetch(settings, "signal/1") / "MLmodel").is_file()


def test_a_model_that_does_not_say_what_it_is_asked_is_refused(folder: Path) -> None:
    with pytest.raises(TrainingRefused, match="does not say"):
        _load_pyfunc(str(folder))
