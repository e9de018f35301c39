"""Functions that numba compiles once: the compiled code is cached next to their module, under the hash of its content.

numba's own cache trusts its files: a damaged one raises at every start, or is run. Here it is made again.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.serialize import dumps

from infra import progress

_Function = TypeVar("_Function", bound=Callable[..., Any])
_HASH_BYTES = hashlib.sha256().digest_size


def compiled(**options: Any) -> Callable[[_Function], _Function]:
    """Decorator: compile a function at its first call, or take it from the cache, as `numba.njit(cache=True)` does.

    A cached file that is not as it was written is compiled again, and a line on standard error says so. A cache that
    cannot be read or written costs the time to compile, never the result.

    Args:
        options: those of `numba.njit`.
    """

    def decorate(function: _Function) -> _Function:
        dispatcher: Any = numba.njit(**options)(function)
        # Without a folder that can be written, it is compiled at each start.
        with suppress(RuntimeError):
            dispatcher._cache = _Cache(function)
        return cast(_Function, dispatcher)

    return decorate


class _Cache(FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, kept in sealed files."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _SealedFiles(
            Path(self.cache_path), self._impl.filename_base, locator.get_source_stamp()
        )

    def save_overload(self, sig: object, data: object) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            progress.show(
                f"Compiled code could not be cached in {self.cache_path} ({error.strerror}). "
                "It is compiled again at the next start."
            )


class _SealedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """A file for each signature of a function: the SHA-256 of what follows, then the source's stamp and the code.

    Without an index, two processes that compile at once lose nothing of each other. Files appear whole.
    """

    def __init__(self, folder: Path, base: str, stamp: object) -> None:
        super().__init__(str(folder), base, stamp)
        self._folder, self._base = folder, base

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._base}.*.sealed"):
            path.unlink(missing_ok=True)

    def save(self, key: object, data: object) -> None:
        content = dumps((self._version, self._source_stamp, key, data))
        with self._open_for_write(str(self._path(key))) as stream:
            stream.write(hashlib.sha256(content).digest() + content)

    def load(self, key: object) -> Any:
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            content = b""
        sealed, content = content[:_HASH_BYTES], content[_HASH_BYTES:]
        if hashlib.sha256(content).digest() != sealed:
            progress.show(
                f"The cached code of {self._base} in {self._folder} is damaged. It is compiled again."
            )
            return None
        version, stamp, of, data = pickle.loads(content)
        return data if (version, stamp, of) == (self._version, self._source_stamp, key) else None

    def _path(self, key: object) -> Path:
        name = hashlib.sha256(f"{self._version} {key!r}".encode()).hexdigest()[:16]
        return self._folder / f"{self._base}.{name}.sealed"
