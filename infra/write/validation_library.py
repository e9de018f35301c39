"""Great Expectations, imported without packages that it loads but that no suite of ours needs.

Its import takes as long as a small job. Half of that is plotting (altair), statistics (scipy), SQLAlchemy and the parts
of pyspark for machine learning and remote sessions. It treats SQLAlchemy and those parts as optional. It imports altair
and scipy for rendering and for distribution tests, and gets empty stand-ins: an expectation that does need them
fails, and so blocks the write. Other code can import all four as ever.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_OPTIONAL = ("sqlalchemy", "pyspark.ml", "pyspark.ml.feature", "pyspark.sql.connect")
_STAND_INS = {"altair": ("altair",), "scipy": ("scipy", "scipy.special", "scipy.stats")}


class _StandIn(types.ModuleType):
    """A module whose every name is an empty class: good enough for annotations and base classes."""

    __path__: list[str] = []  # noqa: RUF012  a package, as the import system knows one

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        stand_in = type(name, (), {})
        setattr(self, name, stand_in)
        return stand_in


@contextmanager
def _without_needless() -> Iterator[None]:
    """Hide the packages that are not imported yet; afterwards they can be imported as ever."""
    hidden: dict[str, types.ModuleType | None] = {name: None for name in _OPTIONAL if name not in sys.modules}
    for package, names in _STAND_INS.items():
        if package not in sys.modules:
            hidden |= {name: _StandIn(name) for name in names}
    sys.modules.update(hidden)  # type: ignore[arg-type]  # None: the import system treats it as missing
    try:
        yield
    finally:
        for name, module in hidden.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@cache
def great_expectations() -> Any:
    """The package `great_expectations`."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # Whoever decides at import what is installed must not look while it is hidden.
    for package in ("pandas", "pyspark.sql"):
        importlib.import_module(package)
    with _without_needless():
        return importlib.import_module("great_expectations")
