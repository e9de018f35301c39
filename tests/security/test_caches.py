"""Caches and the registry hand out what was put there: damage is found at load, and repaired or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.cache import sealed_folder
from infra.errors import DetectorUnavailable
from models.screening.safety.classifier import load_classifier, save
from models.screening.safety.packaged import packaged_classifier


def zeroed(folder: Path) -> None:
    path = folder / "inner" / "weights.bin"
    path.write_bytes(bytes(len(path.read_bytes())))


def truncated(folder: Path) -> None:
    path = folder / "inner" / "weights.bin"
    path.write_bytes(path.read_bytes()[:10])


def without_a_file(folder: Path) -> None:
    (folder / "config.json").unlink()


def with_a_file_more(folder: Path) -> None:
    (folder / "extra.py").write_text("print('hello')")


def without_seal(folder: Path) -> None:
    (folder / ".seal.json").unlink()


def with_a_broken_seal(folder: Path) -> None:
    (folder / ".seal.json").write_text("{")


def with_an_empty_seal(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    (folder / ".seal.json").write_text("{}")


DAMAGE = [
    zeroed, truncated, without_a_file, with_a_file_more, without_seal, with_a_broken_seal, with_an_empty_seal,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_made_again_and_said_so(
    tmp_path: Path,
    damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import infra.cache

    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "config.json").write_text("{}")
        (folder / "inner").mkdir()
        (folder / "inner" / "weights.bin").write_bytes(b"weights" * 100)

    place = tmp_path / "model"
    assert sealed_folder(place, make, "model") == place
    assert sealed_folder(place, make, "model") == place
    assert len(made) == 1
    assert capsys.readouterr().err == ""
    damage(place)
    monkeypatch.setattr(infra.cache, "_checked", set())  # as another process sees it
    assert sealed_folder(place, make, "model") == place
    assert len(made) == 2
    assert (place / "inner" / "weights.bin").read_bytes() == b"weights" * 100
    assert not (place / "extra.py").exists()
    assert "made again" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [0, 1, 10, 0.5, 0.99])
def test_a_truncated_classifier_is_a_clear_error(tmp_path: Path, keep: float) -> None:
    save(packaged_classifier(), tmp_path)
    weights = tmp_path / "weights.npz"
    content = weights.read_bytes()
    weights.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(DetectorUnavailable):
        load_classifier(tmp_path)
