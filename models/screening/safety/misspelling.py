"""Misspell generated text as people do: slips of the fingers, accents left out, words written as they sound."""

from __future__ import annotations

import re
import unicodedata
from random import Random

_WORD = re.compile(r"[^\W\d_]{4,}")
_SLIPS = 0.35
# Of each language: what is written as it sounds, each with its chance, so that no two texts are misspelt alike.
_SOUNDS: dict[str, tuple[tuple[str, str], ...]] = {
    "es": (
        ("qu", "k"), (r"\bh", ""), ("v", "b"), ("b", "v"), ("z", "s"), ("c(?=[ei])", "s"), ("ll", "y"),
        ("g(?=[ei])", "j"), (r"\bque\b", "q"), (r"\bpor\b", "x"),
    ),
    "hi-Latn": (
        ("aa", "a"), ("ee", "i"), ("oo", "u"), ("ai", "e"), (r"(?<=[^aeiou\W])a(?=[rtnl][aeiou])", ""),
        (r"\bhai\b", "h"), (r"\bhoon\b", "hu"), (r"\bmein\b", "me"), ("ch(?!h)", "chh"), ("kh", "k"), ("z", "j"),
        ("ph", "f"), (r"\bnahi\b", "nhi"), ("bh", "b"), (r"\bmain\b", "mai"), (r"\bkya\b", "kia"),
    ),
    "hi": (("ँ", "ं"), ("\u093c", ""), ("ज़", "ज"), ("ख़", "ख"), ("फ़", "फ"), ("ण", "न"), ("श", "स")),
    "fr": (("qu", "k"), ("eau", "o"), ("ss", "s"), ("ph", "f"), ("er\\b", "é"), ("ai", "é")),
    "de": (("ck", "k"), ("ie", "i"), ("ß", "ss"), ("dt", "t"), ("nn", "n"), ("tt", "t")),
    "it": (("ch", "k"), ("cc", "c"), ("zz", "z"), ("tt", "t")),
    "en": (("ck", "k"), ("ll", "l"), ("ght", "t"), (r"\byou\b", "u"), (r"\bare\b", "r"), ("ea", "e"), (r"\bto\b", "2")),
}  # fmt: skip


def misspelt(text: str, language: str, rng: Random) -> str:
    """The text with some of its words misspelt; the same for the same state of `rng`."""
    for sound, written in _SOUNDS.get(language, ()):
        if rng.random() < _SLIPS:
            text = re.sub(sound, written, text)
    if language in ("es", "fr", "it", "de") and rng.random() < _SLIPS:
        text = "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
    if language in ("hi", "zh"):
        return text
    return _WORD.sub(lambda word: _slip(word.group(), rng) if rng.random() < _SLIPS else word.group(), text)


def _slip(word: str, rng: Random) -> str:
    """Two letters swapped, one left out, or one written twice; never the first."""
    place = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + word[place + 1 :] if kind == 1 else word[: place + 1] + word[place:]
