"""The root folders of a lake on the local disk: who may read them, when they are made and when they exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.lake.places import Lake
from infra.settings import Settings
from infra.storage import local_path
from infra.storage.private import closing_command, is_open_to, is_open_to_others, make_container, make_root


@dataclass(frozen=True)
class Exposed:
    """A folder whose readers are not those of the settings.

    Attributes:
        what: what is wrong with it.
        command: the shell command that puts it right.
    """

    what: str
    command: str


def make_roots(settings: Settings) -> None:
    """Make the lake's root folders where there are none: with the readers of `lake.group` and `lake.restricted_group`.

    A folder that exists is left as it is, and an object store has its own rules.
    """
    rules = settings.lake
    lake_root = local_path(settings.resolve(rules.root))
    if lake_root is not None:
        make_container(lake_root, *rules.groups)
    for path, group in [*_raw_roots(settings), *_curated_root(settings)]:
        make_root(path, group)


def exposed(settings: Settings) -> list[Exposed]:
    """Existing folders with raw text that others may read, and roots that the group of the settings may not read."""
    raw = [*_raw_roots(settings), (settings.home / ".flywheel", "")]
    found = [
        Exposed(f"other accounts may read {path}", closing_command(path, group))
        for path, group in raw
        if path.is_dir() and is_open_to_others(path)
    ]
    found += [
        Exposed(f"the group {group} cannot read all that is written to {path}", closing_command(path, group))
        for path, group in [*raw, *_curated_root(settings)]
        if group and path.is_dir() and not is_open_to(path, group) and not is_open_to_others(path)
    ]
    return found


def _raw_roots(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Local folders with raw text, each with the group that may read it."""
    lake, group = Lake.of(settings), settings.lake.restricted_group
    restricted, landing = local_path(lake.restricted), lake.landing.path
    if restricted is not None:
        yield restricted, group
    if landing is not None and (restricted is None or not landing.is_relative_to(restricted)):
        yield landing, group


def _curated_root(settings: Settings) -> Iterator[tuple[Path, str]]:
    if (curated := local_path(Lake.of(settings).curated)) is not None:
        yield curated, settings.lake.group
