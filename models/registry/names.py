"""Resolve a setting that names a model: to its fixed version, or to the version that its alias points at now."""

from __future__ import annotations

import re

from infra.settings import Settings

_FIXED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[0-9]+\Z")


def resolved(settings: Settings, reference: str) -> str:
    """`name/version` of a registered model, or "" where the setting names none (a folder, a hub id, nothing).

    Args:
        reference: `name/3` or `name@alias`, with or without `models:/` before it.

    Raises:
        ModelUnknown, RegistryUnavailable: the alias cannot be resolved.
    """
    name = reference.removeprefix("models:/")
    if _FIXED.match(name):
        return name
    if "@" not in name or "/" in name:
        return ""
    from models.registry.tracking import version_of

    version = version_of(settings, name)
    return f"{version.name}/{version.version}"
