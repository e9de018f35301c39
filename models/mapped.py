"""Arrow batches as a dataset with random access, in a file that is there as long as the process.

Nothing stays behind: a copy that outlived the process would also outlive the erasure of a user.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import pyarrow as pa

from infra.errors import DiskFull

if TYPE_CHECKING:
    from datasets import Dataset, Features

_PREFIX: Final = "flywheel-rows-"
_LOCK: Final = ".lock"
_SETTLED_SECONDS: Final = 60


def mapped(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, features: Features, identity: str, table: str
) -> Dataset:
    """A dataset of the batches, memory-mapped; `identity` becomes its fingerprint.

    Raises:
        DiskFull: the temporary folder has no room.
    """
    from datasets import Dataset, DatasetInfo
    from datasets.table import MemoryMappedTable

    path = Path(tempfile.mkdtemp(dir=_folder())) / "rows.arrow"
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for batch in batches:
                writer.write_batch(batch.cast(schema))
    except OSError as error:
        shutil.rmtree(path.parent, ignore_errors=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            "the temporary folder is full", table=table,
            hint="Point TMPDIR at a larger disk, read fewer columns, or use streaming().",
        ) from None  # fmt: skip
    return Dataset(
        MemoryMappedTable.from_file(str(path)), info=DatasetInfo(features=features), fingerprint=identity
    )


@cache
def _folder() -> Path:
    """This process's own; those of processes that died are removed."""
    parent = Path(tempfile.gettempdir())
    for old in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            # A live owner holds the lock; a young folder may not have one yet.
            if time.time() - old.stat().st_mtime > _SETTLED_SECONDS and _locked(old / _LOCK) is not None:
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    held = _locked(folder / _LOCK)
    atexit.register(_remove, folder, os.getpid(), held)
    return folder


def _locked(path: Path) -> IO[str] | None:
    """The file, locked until it is closed; None when somebody else holds it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _remove(folder: Path, owner: int, held: IO[str] | None) -> None:
    if os.getpid() == owner:  # not a fork that ends
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            held.close()
