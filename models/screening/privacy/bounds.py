"""Where an identifier begins and ends: at a letter or digit of Latin script, not at any word character.

Chinese, Japanese and Thai have no blanks between words, and people glue numbers and addresses to Devanagari words too.
`\\b` and `\\w` count those letters as part of the identifier beside them, so a rule with them finds nothing there.
"""

from __future__ import annotations

import re

# Letters, digits and the underscore, as members of a set: ASCII, accented letters, the signs for kelvin and ångström.
LATIN = r"A-Za-z0-9_\u00c0-\u024f\u1e00-\u1eff\u212a\u212b"
START = rf"(?<![{LATIN}])"
END = rf"(?![{LATIN}])"
# `START` behind the first character of a pattern: `re` searches faster for a pattern that begins with a set.
STARTED = rf"(?<![{LATIN}].)"
# Scripts that are written without blanks, or glued to what is Latin, as members of a set: an open-ended value (a
# link, a password) ends where one of them begins.
UNSPACED = r"\u0900-\u0dff\u0e00-\u0eff\u3000-\u9fff\uac00-\ud7af\uff00-\uffef"
_LATIN_CHAR = re.compile(f"[{LATIN}]", re.IGNORECASE)


def is_latin(char: str) -> bool:
    """Whether a Latin letter, a digit or an underscore, or another case of one."""
    return _LATIN_CHAR.match(char) is not None


def cue(words: str) -> re.Pattern[str]:
    """A pattern of cue words in any case; `\\b` in it means the edge of a Latin word.

    For what a judge reads, not for a rule's own pattern: `\\b` of ASCII would mislead the prefilter beside an é.
    """
    return re.compile(words.replace(r"\b", r"(?a:\b)"), re.IGNORECASE)
