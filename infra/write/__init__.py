"""The one way rows get into a table: checked on the staged frame, committed whole, under the table's lock."""

from __future__ import annotations

from infra.write.staged import Write, Written, write

__all__ = ["Write", "Written", "write"]
