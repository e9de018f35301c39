"""The files that an import reads, and the names that they have in quarantine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from infra.errors import SettingsError

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
_UNSAFE = re.compile(r"[^\w.\-+@=/ ]")


def input_files(
    inputs: Path | Sequence[Path], suffixes: tuple[str, ...] = SUFFIXES
) -> list[tuple[Path, str]]:
    """The input files with the names that they have in quarantine, in order; `suffixes` are looked for in directories.

    Raises:
        SettingsError: a path does not exist, or there is no input file at all.
    """
    paths: dict[str, Path] = {}
    for given in [inputs] if isinstance(inputs, Path) else inputs:
        if not given.exists():
            raise SettingsError(
                f"{given} does not exist", setting="PATH", hint="Name a file or a folder of logs."
            )
        inside = [path for path in _visible(given) if path.name.endswith(suffixes)]
        for path in inside if given.is_dir() else [given]:
            label = path.relative_to(given).as_posix() if given.is_dir() else path.name
            label = _UNSAFE.sub("_", label)[:200]
            while label in paths:
                label = f"{label}+"
            paths[label] = path
    if not paths:
        raise SettingsError(
            f"no {' or '.join(suffixes)} file is there",
            setting="PATH",
            hint="Name a folder that contains such files.",
        )
    return [(path, label) for label, path in sorted(paths.items())]


def other_files(inputs: Path | Sequence[Path], suffixes: tuple[str, ...]) -> int:
    """How many files of folders that were given are of other kinds."""
    given = [inputs] if isinstance(inputs, Path) else inputs
    return sum(
        1
        for folder in given
        if folder.is_dir()
        for path in _visible(folder)
        if not path.name.endswith(suffixes)
    )


def _visible(folder: Path) -> list[Path]:
    """The files under a folder whose names do not begin with a sign of what is hidden or being written."""
    return sorted(path for path in folder.rglob("*") if path.name[0] not in "._" and path.is_file())
