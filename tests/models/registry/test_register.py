"""The registry: a version only after its stored model agreed, with its lineage, once, and without anybody's text."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest

from infra.errors import ModelUnknown, RegistrationRefused, RegistryUnavailable
from infra.lake import Lake
from infra.settings import Settings, load_settings
from models.registry import tracking
from models.registry.entry import Registered
from models.registry.pins import Model, model, models_touching, pins, trained_until
from models.registry.register import Lineage, fetch, register
from models.tables.opened import open_snapshot
from tests.conftest import DAY, migrated, put, with_registry

PROBE = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]
CANARY = "zorblequince"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("registry")
    settings = with_registry(load_settings(home=home))
    migrated(settings)
    rows = [
        {"pair_id": f"p{n}", "annotator_id": "a", "winner": "a", "mode": "static", "split": split, "ds": day,
         "context": CANARY, "response_a": CANARY, "response_b": "y"}
        for n, (split, day) in enumerate(
            [("train", date(2026, 11, 18)), ("train", DAY), ("evaluation", date(2026, 11, 25))]
        )
    ]  # fmt: skip
    put(Lake.of(settings), "annotation.preferences", rows)
    return settings


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def classifier(folder: Path, seed: int = 0, **options: Any) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_labels=1, pad_token_id=0, max_position_embeddings=64, **options,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = classifier(tmp_path_factory.mktemp("model"))
    (made / "trainer_state.json").write_text(json.dumps({"example": CANARY}))
    return made


@pytest.fixture(scope="module")
def lineage(settings: Settings) -> Lineage:
    where = f"response_a <> '{CANARY}!'"
    read = [
        open_snapshot(settings, "annotation.preferences", where=where, split=split).snapshot
        for split in ("train", "evaluation")
    ]
    configuration = {"learning_rate": 1e-4, "lora": {"r": 4}, "prompt": f"{CANARY}\n" * 3}
    return Lineage(tuple(read), "tiny", "b" * 64, "t" * 64, 7, configuration)


class Made(NamedTuple):
    """The model `rm`: registered, registered again, as it then stood, and registered of another lineage."""

    first: Registered
    again: Registered
    told: Model
    other: Registered


@pytest.fixture(scope="module")
def rm(settings: Settings, folder: Path, lineage: Lineage) -> Made:
    from models.registry.probe import logits

    expected = logits(folder, PROBE)[0].tolist()
    first = register(settings, "rm", folder, lineage, {"accuracy": 0.6}, PROBE, expected=expected)
    again = register(settings, "rm", folder, lineage, {"accuracy": 0.6}, PROBE)
    told = model(settings, "rm@candidate")
    return Made(first, again, told, register(settings, "rm", folder, replace(lineage, seed=8), {}, PROBE))


def versions(settings: Settings, name: str) -> list[Any]:
    return tracking.all_versions(settings, name)


def test_a_version_carries_its_lineage_and_is_made_once(
    settings: Settings, lineage: Lineage, rm: Made
) -> None:
    made, again, told, other = rm
    assert (str(made), made.created, str(again), again.created) == ("rm/1", True, "rm/1", False)
    assert told.aliases == ("candidate",)
    [train, evaluation] = told.snapshots
    assert (train.table, train.version, train.rows) == (
        "annotation.preferences",
        lineage.snapshots[0].version,
        2,
    )
    assert (train.split, evaluation.split, evaluation.rows) == ("train", "evaluation", 1)
    commit = told.tags["code_commit"]
    known = ["git", "-C", str(Path(__file__).parent), "merge-base", "--is-ancestor", commit, "HEAD"]
    assert commit.startswith("package-") or subprocess.run(known, check=False).returncode == 0
    assert told.tags["code_dirty"] in ("true", "false")
    assert (told.tags["seed"], told.tags["base_model_hash"]) == ("7", "b" * 64)
    # The evaluation split's later day was not trained on.
    assert told.tags["trained_until"] == DAY.isoformat()
    assert json.loads(told.tags["left_behind"]) == ["trainer_state.json"]
    run = tracking.client(settings).get_run(made.run_id)
    assert run.data.params["lora.r"] == "4"
    assert run.data.metrics == {"accuracy": 0.6}
    tags = [{tag.key: tag.value for tag in one.tags} for one in run.inputs.dataset_inputs]
    assert {t["filter_hash"] for t in tags} == {s.filter_hash for s in lineage.snapshots}
    assert {(t["table"], t["version"]) for t in tags} == {("annotation.preferences", str(train.version))}
    environment = Path(tracking.client(settings).download_artifacts(made.run_id, "environment.json"))
    assert {"torch", "transformers"} <= set(json.loads(environment.read_text())["packages"])
    assert str(other) == "rm/2"
    assert model(settings, "rm@candidate").named == "rm/2"


def test_a_model_on_the_sentence_encoder_is_probed_as_any_other(
    settings: Settings, lineage: Lineage, tmp_path: Path
) -> None:
    from models.registry.probe import logits
    from models.reward.train import train
    from tests.models.tiny import planted, smoke, tiny_encoder

    trained = train("pointwise", planted(16), smoke("reward-pointwise"), tiny_encoder(), tmp_path)
    expected = logits(trained.folder, PROBE)[0].tolist()
    registered = register(settings, "rm-encoder", trained.folder, lineage, {}, PROBE, expected=expected)
    assert logits(fetch(settings, str(registered)), PROBE)[0].tolist() == expected
    with pytest.raises(RegistrationRefused):
        register(
            settings, "rm-encoder", trained.folder, replace(lineage, seed=9), {}, PROBE,
            expected=[value + 1 for value in expected],
        )  # fmt: skip


@pytest.mark.usefixtures("rm")
def test_a_damaged_copy_is_fetched_again_and_a_damaged_store_is_refused(
    settings: Settings, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    damaged = whole[:-4000] + bytes(4000)
    copy = fetch(settings, "rm/1")
    (copy / "model.safetensors").write_bytes(damaged)
    assert (fetch(settings, "rm/1") / "model.safetensors").read_bytes() == whole
    assert "fetched again" in capsys.readouterr().err
    version = tracking.version_of(settings, "rm/1")
    (stored_weights,) = [
        path
        for path in (settings.home / ".flywheel").rglob("model.safetensors")
        if path.is_relative_to(Path(version.source.removeprefix("file://")))
    ]
    stored_weights.write_bytes(damaged)
    try:
        assert (fetch(settings, "rm/1") / "model.safetensors").read_bytes() == whole, "the copy is whole"
        shutil.rmtree(fetch(settings, "rm/1"))
        with pytest.raises(RegistrationRefused, match="not those that were registered"):
            fetch(settings, "rm/1")
    finally:
        stored_weights.write_bytes(whole)


@pytest.mark.usefixtures("rm")
def test_what_is_fetched_is_what_was_registered(settings: Settings, folder: Path) -> None:
    found = fetch(settings, "rm/1")
    assert (found / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert not (found / "trainer_state.json").exists()
    assert fetch(settings, "models:/rm/1") == found
    for named in ("rm@nobody", "rm/99", "nobody/1", "rm"):
        with pytest.raises(ModelUnknown):
            fetch(settings, named)


@pytest.mark.usefixtures("rm")
def test_no_text_of_anybody_reaches_mlflow(settings: Settings) -> None:
    kept = [p for p in (settings.home / ".flywheel").rglob("*") if p.is_file()]
    assert any(p.name == "mlflow.db" for p in kept)
    assert not [p.name for p in kept if CANARY.encode() in p.read_bytes()]


@pytest.mark.usefixtures("rm")
def test_a_condition_on_open_columns_is_shown_and_one_on_text_is_not(
    settings: Settings, folder: Path, lineage: Lineage
) -> None:
    read = open_snapshot(settings, "annotation.preferences", where="batch <= 'x'", split="train").snapshot
    register(settings, "shown", folder, replace(lineage, snapshots=(read,)), {}, PROBE)
    assert model(settings, "shown/1").snapshots[0].where == "batch <= 'x'"
    assert "personal" in model(settings, "rm/1").snapshots[0].where


def test_an_empty_alias_is_none(settings: Settings, folder: Path, lineage: Lineage) -> None:
    register(settings, "unnamed", folder, lineage, {}, PROBE, alias="")
    assert model(settings, "unnamed/1").aliases == ()


@pytest.mark.parametrize("alias", ["latest", "v1", "3", "a b"])
def test_reserved_aliases_are_refused(settings: Settings, folder: Path, lineage: Lineage, alias: str) -> None:
    with pytest.raises(RegistrationRefused):
        register(settings, "refused", folder, lineage, {}, PROBE, alias=alias)


def test_an_adapter_reloads_with_random_weights_and_is_refused_until_it_is_merged(
    settings: Settings, lineage: Lineage, tmp_path: Path
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    from models.registry.probe import check_same
    from models.training.scoring import score

    base = AutoModelForSequenceClassification.from_pretrained(
        classifier(tmp_path / "base", tie_word_embeddings=False)
    )
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj"], task_type="SEQ_CLS"))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=1.0)
    expected = score(adapted, PROBE).tolist()
    adapted.save_pretrained(tmp_path / "adapter")
    with pytest.raises(RegistrationRefused, match="adapter"):
        register(settings, "adapted", tmp_path / "adapter", lineage, {}, PROBE)
    # What MLflow makes of a local base: it loads without an error, and nothing but the logits tell.
    told = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    told["base_model_name_or_path"] = str(classifier(tmp_path / "random", seed=9))
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(told))
    with pytest.raises(RegistrationRefused, match="differ"):
        check_same(tmp_path / "adapter", PROBE, expected, "the trained one")
    assert versions(settings, "adapted") == []
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    assert register(settings, "adapted", tmp_path / "merged", lineage, {}, PROBE, expected=expected).created


def test_a_folder_without_its_head_and_another_models_logits_are_refused(
    settings: Settings, folder: Path, lineage: Lineage, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    headless = classifier(tmp_path / "headless")
    weights = {
        k: v for k, v in load_file(headless / "model.safetensors").items() if not k.startswith("score")
    }
    save_file(weights, headless / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RegistrationRefused, match="random"):
        register(settings, "headless", headless, lineage, {}, PROBE)
    with pytest.raises(RegistrationRefused, match="differ"):
        register(settings, "headless", folder, lineage, {}, PROBE, expected=[9.0, 9.0, 9.0])
    assert versions(settings, "headless") == []
    for pickled in ("pytorch_model.bin",):
        (tmp_path / "pickled").mkdir()
        (tmp_path / "pickled" / pickled).write_bytes(b"")
        (tmp_path / "pickled" / "config.json").write_text("{}")
    with pytest.raises(RegistrationRefused, match="safetensors"):
        register(settings, "headless", tmp_path / "pickled", lineage, {}, PROBE)


def test_killed_while_it_stores_it_leaves_no_version(
    settings: Settings, folder: Path, lineage: Lineage
) -> None:
    """SIGKILL after the files are stored and before the probe has passed; then the same again makes version 1."""
    import models.registry.probe

    read = replace(lineage, snapshots=())
    # Connections do not survive a fork: the child has its own.
    uri = f"{tracking.tracking_uri(settings)}?timeout=60"
    child = settings.model_copy(update={"tracking": settings.tracking.model_copy(update={"uri": uri})})
    if (pid := os.fork()) == 0:
        try:
            models.registry.probe.check_same = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            register(child, "killed", folder, read, {}, PROBE)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    client = tracking.client(settings)
    pending = client.search_logged_models([tracking.experiment(settings, "training")], "name = 'killed'")
    assert [one.status.name for one in pending] == ["PENDING"]
    assert versions(settings, "killed") == []
    made = register(settings, "killed", folder, read, {}, PROBE)
    assert (made.version, made.created) == (1, True)


def test_a_large_model_is_registered_by_manifest_and_stays_where_it_is(
    settings: Settings, lineage: Lineage, tmp_path: Path
) -> None:
    large = classifier(tmp_path / "large", seed=3)
    small_bound = settings.model_copy(
        update={"tracking": settings.tracking.model_copy(update={"copy_up_to_bytes": 1000})}
    )
    register(small_bound, "large", large, lineage, {}, PROBE)
    assert model(settings, "large/1").tags["storage"] == "manifest"
    assert fetch(settings, "large@candidate") == large
    stored = settings.home / ".flywheel" / "mlartifacts"
    weights = (large / "model.safetensors").read_bytes()
    assert not [p for p in stored.rglob("*.safetensors") if p.read_bytes() == weights]
    (large / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(RegistrationRefused, match="not what was registered"):
        fetch(settings, "large@candidate")


@pytest.mark.usefixtures("rm")
def test_pins_and_what_an_erasure_touches(settings: Settings, folder: Path, lineage: Lineage) -> None:
    version = lineage.snapshots[0].version
    assert "rm/1" in pins(settings)["annotation.preferences"][version]
    child = replace(lineage, snapshots=(), parents=("rm/1",))
    register(settings, "child", folder, child, {}, PROBE)
    grandchild = replace(lineage, snapshots=(), parents=("child/1",))
    register(settings, "grandchild", folder, grandchild, {}, PROBE)
    touched = models_touching(settings, "annotation.preferences", [version])
    assert {"rm/1", "rm/2", "child/1", "grandchild/1"} <= set(touched)
    assert models_touching(settings, "annotation.preferences", [version + 1]) == []
    assert models_touching(settings, "traffic.turns") == []
    assert trained_until(settings, (), ("grandchild/1",)) == DAY
    gone = replace(lineage.snapshots[0], version=999)
    assert trained_until(settings, (gone, *lineage.snapshots)) is None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a real tracking server, which keeps artifacts too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--artifacts-destination", str(tmp_path / "kept"),
    ]  # fmt: skip
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True)
        try:
            address, until = f"http://127.0.0.1:{port}", time.monotonic() + 180
            while not _answers(f"{address}/health"):
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                assert time.monotonic() < until, "the server did not start"
                time.sleep(0.2)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.nightly
def test_a_tracking_server_keeps_model_lineage_and_pins(
    server: str, settings: Settings, folder: Path, lineage: Lineage
) -> None:
    there = settings.model_copy(update={"tracking": settings.tracking.model_copy(update={"uri": server})})
    made = register(there, "served", folder, lineage, {"accuracy": 0.6}, PROBE)
    assert (str(made), register(there, "served", folder, lineage, {}, PROBE).created) == ("served/1", False)
    told = model(there, "served@candidate")
    assert [one.version for one in told.snapshots] == [one.version for one in lineage.snapshots]
    pinned = pins(there)["annotation.preferences"]
    assert lineage.snapshots[0].version in pinned
    fetched = fetch(there, "served@candidate") / "model.safetensors"
    assert fetched.read_bytes() == (folder / "model.safetensors").read_bytes()
    with pytest.raises(ModelUnknown):
        model(settings, "served@candidate")  # it is at the server only


def test_a_server_that_does_not_answer_is_an_error_soon(
    settings: Settings, folder: Path, lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = settings.model_copy(
        update={"tracking": settings.tracking.model_copy(update={"uri": "http://127.0.0.1:9"})}
    )
    with pytest.raises(RegistryUnavailable):
        register(away, "rm", folder, lineage, {}, PROBE)
    with pytest.raises(RegistryUnavailable):
        pins(away)


def test_only_rank_0_registers(
    settings: Settings, folder: Path, lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(RegistrationRefused, match="rank 1"):
        register(settings, "ranks", folder, lineage, {}, PROBE)
