"""Further readings of a text for the safety models: words spelled out letter by letter joined, digits and signs that
stand for letters as letters.

The privacy view joins six characters and more, as identifiers need them; a hazard has three letters ('g u n'). A
reading that is nonsense does no harm: every model reads the plain text as well.
"""

from __future__ import annotations

import re
from functools import lru_cache

# A letter of Devanagari with its vowel signs; `re` counts the signs as no letters.
_MARK = r"[\u0900-\u0903\u093a-\u094f\u0951-\u0957]"
_SYLLABLE = rf"[\u0904-\u0939\u0958-\u0961]{_MARK}*"
_SIGN = r"[ ._*|/~-]"
_LETTERS = re.compile(
    rf"(?<![^\W_])[^\W\d_\u0900-\u097f](?P<sign>{_SIGN})[^\W\d_\u0900-\u097f]"
    r"(?:(?P=sign)[^\W\d_\u0900-\u097f](?![^\W_]))+"
)
_SYLLABLES = re.compile(rf"(?<![^\W_])(?<!{_MARK}){_SYLLABLE}(?:{_SIGN}{_SYLLABLE}(?![^\W_])(?!{_MARK}))+")
_SIGNS = re.compile(_SIGN)
# Letters that are words by themselves.
_ONE_LETTER_WORDS = frozenset("aeiouyAEIOUYनव")
_LEAST_LETTERS = 3
_DISGUISED = re.compile(r"[A-Za-z][@$013457]|[@$013457][A-Za-z]|[A-Za-z]![A-Za-z]")
_TOKEN = re.compile(r"[A-Za-z@$!013457]+")
_QUANTITY = re.compile(r"[\d$]+[A-Za-z]{1,3}|[A-Za-z]{1,2}\d+")
_SHORT = re.compile(r"[A-Za-z]{0,2}[@$013457]")
_AS_LETTERS = str.maketrans(
    {"@": "a", "$": "s", "!": "i", "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t"}
)
_LEAST_WORDS_FOR_DIGITS = 2


@lru_cache(maxsize=4096)  # each safety model asks for the same texts
def further_readings(text: str) -> tuple[str, ...]:
    """What the normalised text also says; empty for a text without such disguises."""
    is_spelled = _LETTERS.search(text) is not None or (
        not text.isascii() and _SYLLABLES.search(text) is not None
    )
    joined = _joined(text) if is_spelled else text
    apart = _joined(text, after_a_word=True) if is_spelled else text
    return tuple(dict.fromkeys(reading for reading in (joined, apart, _lettered(joined)) if reading != text))


def _joined(text: str, *, after_a_word: bool = False) -> str:
    """'a b.o.m.b' is 'a bomb': three or more single letters with the same sign between; in Hindi two syllables.

    `after_a_word`: the first letter of a run is a word by itself, if there is such a word: 'a b o m b' is 'a bomb' too.
    """

    def together(run: re.Match[str]) -> str:
        letters = run.group().replace(run["sign"], "")
        is_word = after_a_word and letters[0] in _ONE_LETTER_WORDS and len(letters) > _LEAST_LETTERS
        return f"{letters[0]} {letters[1:]}" if is_word else letters

    joined = _LETTERS.sub(together, text)
    if joined.isascii():
        return joined
    return _SYLLABLES.sub(
        lambda run: _SIGNS.sub("", run.group()) if _is_spelled(run.group()) else run.group(), joined
    )


def _is_spelled(run: str) -> bool:
    """Whether syllables with signs between are letters of one word: one of them is a bare letter, and no word."""
    return any(len(part) == 1 and part not in _ONE_LETTER_WORDS for part in _SIGNS.split(run))


def _lettered(text: str) -> str:
    """'h0w t0 m4k3 4 b0mb' is 'how to make a bomb'; a digit by itself counts where two words have some inside."""
    if not _DISGUISED.search(text):
        return text
    # 'ps5' by itself is a quantity; beside two words with digits inside, 't0' is a word too, and so is '4'.
    is_written_so = sum(_is_disguised(token) for token in _TOKEN.findall(text)) >= _LEAST_WORDS_FOR_DIGITS

    def letters(match: re.Match[str]) -> str:
        token = match.group()
        if not (_is_disguised(token) or (is_written_so and _SHORT.fullmatch(token))):
            return token
        return token.replace("11", "ll").translate(_AS_LETTERS)

    return _TOKEN.sub(letters, text)


def _is_disguised(token: str) -> bool:
    core = token.strip("!")
    return not core.isalpha() and any(char.isalpha() for char in core) and _QUANTITY.fullmatch(core) is None
