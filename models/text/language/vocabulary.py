"""Whether the words of a text are words of given languages: evidence that detectors for those languages can read it.

A language identifier always names some language, and for a few words it often names a wrong one. The question here is
another one: which words has none of the languages? Word lists with frequencies answer it (wordfreq: subtitles, web,
chat), and also for a text of two words.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache, partial
from pathlib import Path

from infra.cache import sealed_folder, user_cache
from infra.errors import DetectorUnavailable
from infra.storage import write_file
from models.text.compatibility import nfkc
from models.text.language.identify import INTERJECTIONS, WORD_LISTS
from models.text.language.romanised_hindi import (
    corpus_lines,
    romanised_hindi,
    stop_words,
    transliterate,
    words_of,
)
from models.text.names import LOCALES, name_lists

VERSION = "vocabulary-1"
# A letter and the marks that belong to it. Scripts of India, South East Asia and the Near East write vowels as marks.
_MARKS = (
    r"\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983"
    r"\u09bc-\u09cd\u0a01-\u0dff\u0e31-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_WORD = re.compile(rf"(?:[^\W_][{_MARKS}]*)+")
# The privacy rules replace a link; its words say nothing about the language.
_LINK = re.compile(r"https?://[\w\-]+(?:\.[\w\-]+)+\S*", re.IGNORECASE)
# The id of a machine is no word of any language.
_MACHINE_ID = re.compile(r"(?<![\w\-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w\-])")
# Vowel signs are no letters to `re`, and separate none.
_SPELLED_OUT = re.compile(rf"(?<![^\W_])[^\W\d_](?:(?:[^\w{_MARKS}]|_){{1,3}}[^\W\d_](?![^\W_])){{3,}}")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_DOUBLED = re.compile(r"([^\W\d_])\1+")
_SOUND = re.compile(
    r"[bmw]?(?:[hj]+[aeiou]+){2,}[hj]*|(?:a|o|u|e)+h+|h+m+|m+(?:h+m*)?|a+w+|e+w+|u+g+h+|g+r+|s+h+|z+|l+o+l+|x+d+|ya+y+"
)
_DIGITS_AS_LETTERS = str.maketrans("01345789", "oieasteg")
_MEDIAL_SCHWA = re.compile(r"(?<=[aeiou][^aeiou])a(?=[^aeiou]h?[aeiou])")
_VOWELS = re.compile(r"(?<=.)[aeiou](?=.)")
# Zipf frequencies (log10 of occurrences in 10^9 words). A word is known if a language has it this often, and if no
# other language has it ten times as often, unless it is common here as well.
_KNOWN, _COMMON, _TIMES_TEN = 2.5, 3.5, 1.0
_OTHERS = 3.0  # a word of another language that is rarer than that does not count
_ENGLISH, _RIVAL = 3.0, 0.7
_MISSPELT_LETTERS, _COMPOUND_LETTERS, _LONGEST = 5, 9, 60
_JOINING = frozenset("and or und oder y o e et ou aur ya nor".split())
_SCRIPT_WORDS, _SCRIPT_SHARE = 1_000, 0.1
_CHAT = """
ain hasn isn didn couldn wouldn shouldn doesn wasn weren haven hadn don mustn needn aren iam wat wats whats
brb gtg ttyl wyd hru hbu wbu ikr nvm tysm ily ilysm smh np yw cya gn gm kk ty tyvm tldr omg omfg wtf idk idc
imo lmao lmfao rofl stfu afk irl tbh fyi bff noice sis okie dokie oki okey yup lemme gimme kinda sorta whatcha
watcha wassup whazzup sup heya hiya heh hehe uhm umm erm oops whoops yikes yippee woohoo mwah xoxo mdr ptdr
tkt gr8 l8r b4 2nite m8 w8 h8 str8 2day 2moro 4u ur u r thanx tnx tym dnt wht knw frm plz frnd frnds bcoz coz
cuz nd jst msg
""".split()
_SHORTENED = 4.5  # frequency of words that are also known without their inner vowels
_HINDI_WORDS = 3.5


@dataclass(frozen=True)
class Reading:
    """What the words of a text say.

    Attributes:
        is_read: enough of its words are known, so detectors for the languages can judge it.
        is_known: every word is known.
        is_english: every word is an English one.
    """

    is_read: bool
    is_known: bool = False
    is_english: bool = False


_KNOWN_WORDS = Reading(True, True)


@lru_cache(maxsize=65_536)
def _script(char: str) -> str:
    """The first word of a character's Unicode name: LATIN, DEVANAGARI, CJK, HANGUL …"""
    return unicodedata.name(char, "UNNAMED").split()[0]


@dataclass(frozen=True)
class Vocabulary:
    """The words and scripts of some languages."""

    known: frozenset[str]
    english: frozenset[str]
    german: frozenset[str]
    hindi: frozenset[str]
    scripts: frozenset[str]

    def reading(self, text: str) -> Reading:
        """The reading of one text.

        It is not read if a word is in a script that none of the languages has, if a third of its words are unknown (of
        Romanised Hindi, whose spelling is free: half), or if two unknown words stand together or with one word
        between them. One misspelt word among English ones does no harm.
        """
        lowered = nfkc(text).casefold()
        if "http" in lowered:
            lowered = _LINK.sub(" ", lowered)
        if "-" in lowered:
            lowered = _MACHINE_ID.sub(" ", lowered)
        if _SPELLED_OUT.search(lowered):
            lowered = _SPELLED_OUT.sub(lambda run: re.sub(r"[\W_]", "", run.group()), lowered)
        words = _WORD.findall(lowered)
        if self.english.issuperset(words):
            return Reading(True, True, bool(words))
        if self.known.issuperset(words):
            return _KNOWN_WORDS
        if any(self._is_foreign(word) for word in words):
            return Reading(False)
        verdicts = {
            place: verdict
            for place, word in enumerate(words)
            if (verdict := self._is_known(word)) is not None
        }
        unknown = [place for place, is_known in verdicts.items() if not is_known]
        if not unknown:
            return _KNOWN_WORDS
        if len(unknown) == 1 and len(verdicts) > 1 and self._is_misspelt(words, unknown[0]):
            return Reading(True)
        hindi = sum(word in self.hindi for word in words)
        enough = len(verdicts) > (2 if hindi > 1 and 2 * hindi >= len(verdicts) else 3) * len(unknown)
        return Reading(
            enough and not any(itertools.starmap(partial(_is_phrase, words), itertools.pairwise(unknown)))
        )

    def _is_misspelt(self, words: Sequence[str], place: int) -> bool:
        """Whether all words are English but this one, and it is an English word with a letter more, less or other."""
        word = words[place]
        if len(word) < _MISSPELT_LETTERS or not all(w in self.english for w in words if w != word):
            return False
        from rapidfuzz.distance import OSA

        return any(
            abs(len(other) - len(word)) <= 1 and OSA.distance(word, other, score_cutoff=1) <= 1
            for other in self._by_letter.get(word[0], ())
        )

    @cached_property
    def _by_letter(self) -> dict[str, list[str]]:
        """English words by their first letter, which people hardly ever miss."""
        words: dict[str, list[str]] = {}
        for word in self.english:
            if len(word) >= _MISSPELT_LETTERS:
                words.setdefault(word[0], []).append(word)
        return words

    def _is_known(self, word: str) -> bool | None:
        """Whether the word is known; None for what is none: numbers, single letters, quantities ('5pm', 'ps5')."""
        if word in self.known:
            return True
        if word.isdigit() or len(word) == 1:
            return None
        if not word.isascii() and self._is_unspaced(word):
            return True
        if any(char.isdigit() for char in word):
            core = word.strip("0123456789")
            if len(core) <= 2 or core in self.known:
                return None
            # 'h3llo': only where it hides an English word.
            return word.translate(_DIGITS_AS_LETTERS) in self.english
        if _STRETCHED.sub(r"\1\1", word) in self.known or _DOUBLED.sub(r"\1", word) in self.known:
            return True
        if _COMPOUND_LETTERS <= len(word) <= _LONGEST and self._is_compound(word):
            return True
        return len(word) <= _LONGEST and _SOUND.fullmatch(word) is not None

    def _is_compound(self, word: str) -> bool:
        """Whether it is a German compound of frequent words, with or without a joint."""
        return any(
            word[place:] in self.german and (head in self.german or head[:-1] in self.german)
            for place in range(4, len(word) - 3)
            if (head := word[:place])
        )

    def _is_unspaced(self, word: str) -> bool:
        """Whether it is Chinese with what stands between: Chinese separates no words, and there is no list."""
        if "CJK" not in self.scripts:
            return False
        others = [part for part in re.split(r"[\u3400-\u9fff\d]+", word) if part]
        return all(len(part) == 1 or part in self.known for part in others)

    def _is_foreign(self, word: str) -> bool:
        """Whether a letter is of a script that no language has; one that stands alone is a sign, as in a face."""
        if word.isascii() or len(word) == 1 or word in self.known:
            return False
        return any(char.isalpha() and _script(char) not in self.scripts for char in word)


def _is_phrase(words: Sequence[str], place: int, following: int) -> bool:
    """Whether two unknown words may be of one phrase: side by side, or with one word between them that is no 'and'."""
    return following - place == 1 or (following - place == 2 and words[place + 1] not in _JOINING)


def readings(texts: Sequence[str], languages: Sequence[str]) -> list[Reading]:
    """One `Reading` a text, by the words of these languages. Raises DetectorUnavailable when the lists are missing."""
    words = vocabulary(tuple(languages))
    return [words.reading(text) if text else _KNOWN_WORDS for text in texts]


@lru_cache(maxsize=4)
def vocabulary(languages: tuple[str, ...]) -> Vocabulary:
    """The vocabulary of these languages (BCP-47 tags), from the user's cache if it is there.

    Raises DetectorUnavailable when the word lists are missing.
    """
    try:
        from wordfreq import available_languages

        listed = available_languages("small")
    except (ImportError, OSError) as error:
        raise DetectorUnavailable(
            "the word lists of wordfreq cannot be loaded", hint="Reinstall the package wordfreq (uv sync)."
        ) from error
    from importlib.metadata import version

    packages = "-".join(version(name) for name in ("wordfreq", "chatterbot-corpus", "faker", "spacy"))
    key = f"{VERSION}-{packages}-{'_'.join(sorted(languages))}"
    try:
        folder = sealed_folder(
            user_cache() / key, lambda draft: _write(_built(languages, set(listed)), draft), "word list"
        )
        return _read(folder)
    except OSError:  # a cache that cannot be written is no error
        return _built(languages, set(listed))


def _write(built: Vocabulary, folder: Path) -> None:
    for field in fields(built):
        write_file(folder / f"{field.name}.txt", "\n".join(sorted(getattr(built, field.name))))


def _read(folder: Path) -> Vocabulary:
    return Vocabulary(
        *(
            frozenset((folder / f"{field.name}.txt").read_text(encoding="utf-8").split("\n"))
            for field in fields(Vocabulary)
        )
    )


def _frequencies(language: str, size: str, least: float) -> Iterator[tuple[str, float]]:
    """(word, Zipf frequency), the most frequent first; wordfreq keeps a list of words for each hundredth."""
    from wordfreq import get_frequency_list

    for hundredths, words in enumerate(get_frequency_list(language, size)):
        frequency = 9 - hundredths / 100
        if frequency < least:
            return
        for word in words:
            yield word, frequency


def _built(languages: Iterable[str], listed: set[str]) -> Vocabulary:
    from wordfreq import available_languages

    large = available_languages("large")
    chosen = set(languages)
    # Chinese is split into words by a package that is not installed: its script alone decides.
    own = sorted((chosen & listed) - {"zh"})
    best: dict[str, float] = {}
    english: dict[str, float] = {}
    german: set[str] = set()
    scripts: Counter[str] = Counter()
    for language in own:
        frequencies = list(_frequencies(language, "large" if language in large else "small", _KNOWN - 1))
        scripts |= _scripts(word for word, _ in frequencies[:_SCRIPT_WORDS])
        for word, frequency in frequencies:
            best[word] = max(frequency, best.get(word, 0.0))
        if language == "en":
            english = dict(frequencies)
        if language == "de":
            german = {word for word, frequency in frequencies if frequency >= _OTHERS and len(word) >= 4}
    # Traditional, Serbian and Croatian are one list ('sh'); Japanese and Korean are known by their scripts.
    rarer = {
        word
        for language in sorted(listed - chosen - {"zh", "ja", "ko"})
        for word, frequency in _frequencies(language, "small", _OTHERS)
        if (ours := best.get(word)) and ours < _COMMON and frequency - ours >= _TIMES_TEN
    }
    known = {word for word, frequency in best.items() if frequency >= _KNOWN} - rarer
    sounds = {*INTERJECTIONS.split(), *_CHAT}
    for language in own:
        lines = corpus_lines(WORD_LISTS[language]) if language in WORD_LISTS else ()
        known.update(word for line in lines for word in words_of(line))
        known.update(stop_words(language))
    if "en" in chosen:
        common = [word for word, frequency in english.items() if frequency >= _SHORTENED and len(word) >= 5]
        known |= {short for word in common if len(short := _VOWELS.sub("", word)) >= 4} - rarer
    # People's names are words of their countries: one identifies nobody and says nothing harmful.
    for language in chosen & set(LOCALES):
        known.update(*name_lists(LOCALES[language]))
    known |= _romanised() if "hi-Latn" in chosen else set()
    hindi = romanised_hindi().sure_forms if "hi-Latn" in chosen else frozenset()
    known |= {part for word in known if "'" in word or "’" in word for part in re.split("['’]", word) if part}
    known |= sounds
    ours_first = {
        word
        for word, frequency in english.items()
        if frequency >= _ENGLISH and frequency >= best[word] - _RIVAL
    }
    english_words = (ours_first & known) | (sounds if "en" in chosen else set())
    if chosen & {"zh", "zh-Hans", "zh-Hant"}:
        scripts["CJK"] += 1
    return Vocabulary(
        frozenset(known),
        frozenset(english_words),
        frozenset(german & known),
        hindi,
        frozenset(scripts) | {"LATIN"},
    )


def _scripts(words: Iterable[str]) -> Counter[str]:
    """Scripts with a fair share of the letters of these words."""
    counts = Counter(_script(char) for word in words for char in word if char.isalpha())
    least = _SCRIPT_SHARE * counts.total()
    return Counter({script: count for script, count in counts.items() if count >= least})


def _romanised() -> set[str]:
    """Romanised Hindi: the forms that the identifier knows, and frequent Hindi words as people spell them."""
    words = set(romanised_hindi().forms)
    for word, _ in _frequencies("hi", "small", _HINDI_WORDS):
        latin = transliterate(word)
        if latin.isascii() and len(latin) > 2:
            words |= {latin, _MEDIAL_SCHWA.sub("", latin)}
    return words | {short for word in words if len(short := _VOWELS.sub("", word)) >= 3 and len(word) >= 5}
