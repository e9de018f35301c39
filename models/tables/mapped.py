"""Arrow batches as a dataset with random access, in a temporary file that the process removes when it ends.

A file that outlived the process would also outlive the erasure of a user.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from infra.errors import DiskFull, is_disk_full
from models.tables.scratch import Scratch

if TYPE_CHECKING:
    from datasets import Dataset, Features

_PREFIX: Final = "flywheel-rows-"


def mapped(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, features: Features, identity: str, table: str
) -> Dataset:
    """Write the batches to a memory-mapped dataset; `identity` becomes its fingerprint.

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
        if not is_disk_full(error):
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
    scratch = Scratch(Path(tempfile.gettempdir()), _PREFIX)
    atexit.register(scratch.remove)
    return scratch.path
