"""Where files are opened, listed, created, replaced and deleted: the lake's, and local ones that must appear whole."""

from __future__ import annotations

from infra.storage.folder import (
    Entry,
    Folder,
    Options,
    Upload,
    folder,
    is_uri,
    local_path,
    options_of,
    uri_of,
)
from infra.storage.local import (
    Draft,
    create_file,
    locked,
    new_folder,
    publish,
    replacing,
    write_file,
)

__all__ = [
    "Draft", "Entry", "Folder", "Options", "Upload", "create_file", "folder", "is_uri", "local_path", "locked",
    "new_folder", "options_of", "publish", "replacing", "uri_of", "write_file",
]  # fmt: skip
