"""What the lines of every landing zone have in common: notes of importers on input lines, and tombstones.

A reason never holds a value from the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# An importer writes this event for an unreadable input line, so that the line is quarantined and not lost.
IMPORT_REJECTED = "import_rejected"
# The event type of a tombstone of an erased user, and the reason for which lines of erased users are not landed.
ERASED, ERASED_USER = "erased", "erased_user"
FURTHER_REFUSED = "further_refused_lines"
MAX_REFUSED_LINES = 100_000

_ORIGIN = re.compile(r"[\w.\-+@=/ ]{1,300}\Z")
_REASON = re.compile(r"[a-z0-9_:.]{1,80}\Z")
# Reasons are counted in the ledger, which is not restricted: one that an importer of ours would not give is `other`.
_REASON_WORDS = frozenset(
    """a account an annotator answer assigned assistant at author b bad call channel character chat chats
    chosen completions content context contexts conversation conversations created current custom cut
    dataset date day deep default different duplicate empty end ended erased event expands far fewer field
    file from future gizmo guideline hash hashed higher id identical input instruction instructions ip is
    json key label lang language large late leaf line list locale long malformed many mapping message
    messages metadata missing mode model name no non not object of off or origin output outside overall
    pair parent payload persona preferred prompt ranks rating received reference rejected replies reply
    response responses role safety score sender session slug source started state system text than the
    thread thumb time timestamp to too tool traits transcript tree ts two type unicode unknown unreadable
    updated user users utf8 uuid value version winner wrong""".split()
)


def origin_of(record: Mapping[str, Any]) -> tuple[str, int, str] | str:
    """Input file, line and reason that an importer noted for an unreadable line; or what is wrong with the note.

    Anybody can land such a note: of its reason only the words of ours are taken.
    """
    origin, line, reason = record.get("origin_file"), record.get("origin_line"), record.get("reason")
    if not (isinstance(origin, str) and _ORIGIN.match(origin) and type(line) is int and line > 0):
        return "wrong_type:origin"
    if not (isinstance(reason, str) and _REASON.match(reason)):
        return "wrong_type:reason"
    known = all(word in _REASON_WORDS for word in re.split("[_:.]", reason))
    return origin, line, reason if known else "other"
