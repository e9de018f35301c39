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


COMPILED = """
from infra.compiled import compiled


@compiled(nogil=True)
def doubled(value: int) -> int:
    return value * 2


@compiled()
def quadrupled(value: int) -> int:
    return doubled(doubled(value))
"""


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


RUINED: list[Callable[[bytes], bytes]] = [
    flipped,
    lambda content: b"",
    lambda content: content[:20],
    lambda content: content[:-1],
    lambda content: bytes(len(content)),
    lambda content: b"\x80\x05." + content,
    lambda content: content + b"\0",
]


@pytest.fixture
def in_a_new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Loads the module as a new process does, and calls its functions."""
    from importlib.util import module_from_spec, spec_from_file_location

    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "twice.py"
    source.write_text(COMPILED)

    def load() -> int:
        spec = spec_from_file_location("twice", source)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return int(module.quadrupled(21))

    return load


def test_damaged_compiled_code_is_compiled_again_and_said_so(
    tmp_path: Path, in_a_new_process: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_a_new_process() == 84
    stored = sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in stored}
    times = [path.stat().st_mtime_ns for path in stored]
    assert len(stored) == 2
    assert in_a_new_process() == 84
    assert [path.stat().st_mtime_ns for path in stored] == times
    assert capsys.readouterr().err == ""
    for ruin in RUINED:
        for path in stored:
            path.write_bytes(ruin(whole[path]))
        assert in_a_new_process() == 84
        assert "The cached code of twice." in (said := capsys.readouterr().err), ruin
        assert "damaged" in said
        assert in_a_new_process() == 84
        assert capsys.readouterr().err == ""


def test_code_of_another_source_or_name_is_not_taken(
    tmp_path: Path, in_a_new_process: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_a_new_process() == 84
    source = tmp_path / "twice.py"
    # Of another length: within one second, Python takes a file of the same length for the same.
    source.write_text(COMPILED.replace("value * 2", "(value * 3)"))
    assert in_a_new_process() == 189
    first, second = sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    first.write_bytes(second.read_bytes())
    assert in_a_new_process() == 189
    assert capsys.readouterr().err == ""


def test_a_cache_that_cannot_be_used_costs_time_only(
    tmp_path: Path, in_a_new_process: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_a_new_process() == 84
    for path in [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]:
        path.unlink()
        path.mkdir()
        (path / "stranger").touch()
    assert in_a_new_process() == 84
    assert "could not be cached" in capsys.readouterr().err


def test_every_cache_of_compiled_code_is_sealed() -> None:
    root = Path(__file__).parents[2]
    for folder in ("cli", "dags", "infra", "jobs", "models"):
        for path in (root / folder).rglob("*.py"):
            if path.name != "compiled.py":
                assert "njit" not in path.read_text(encoding="utf-8"), path
