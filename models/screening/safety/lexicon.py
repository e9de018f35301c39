"""The rule layer: patterns by category and language, read from `lexicons/<language>.toml`.

A rule is a pattern, a category, a score and, where a benign use is common, an exception: a text span
that the exception also matches does not count ('kill a process', 'shoot a photo').
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from infra.errors import DetectorUnavailable
from models.screening.hazards import CATEGORIES
from models.screening.privacy.detect import joined_views
from models.screening.privacy.expression import need
from models.screening.privacy.prefilter import Gate
from models.screening.privacy.view import normalised
from models.screening.safety.disguise import further_readings
from models.screening.safety.interface import SAFE, SafetyScore

_CONTEXT = 60
# Rules that are read with those of every language.
_ANY = "any"


@dataclass(frozen=True)
class _Rule:
    category: str
    score: float
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None

    def matches(self, text: str) -> bool:
        for match in self.pattern.finditer(text):
            around = text[max(0, match.start() - _CONTEXT) : match.end() + _CONTEXT]
            if self.unless is None or not self.unless.search(around):
                return True
        return False


@dataclass(frozen=True)
class _Lexicon:
    """Rules, a pattern that a text must match for any of them to count, and the prefilter (bit i: rule i may match)."""

    rules: tuple[_Rule, ...]
    gate: re.Pattern[str]
    prefilter: Gate

    @property
    def bits(self) -> int:
        """The bits of the rules."""
        return (1 << len(self.rules)) - 1

    def worst(self, reading: str, mask: int, best: SafetyScore) -> SafetyScore:
        """The highest rule that matches the reading and scores above `best`, else `best`."""
        worst = best
        for bit, rule in enumerate(self.rules):
            if mask >> bit & 1 and rule.score > worst.score and rule.matches(reading):
                worst = SafetyScore(rule.category, rule.score)
        # Search the gate last: few texts get here, and its many words make it the most expensive pattern.
        return worst if worst is best or self.gate.search(reading) else best


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(" ".join(pattern.split()), re.IGNORECASE)


def _document(name: str) -> dict[str, Any]:
    file = resources.files("models.screening.safety") / "lexicons" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


@lru_cache(maxsize=32)
def _lexicon(language: str) -> _Lexicon:
    try:
        document, signs = _document(language), _document(_ANY)
        words = document.get("words", {})

        def expanded(pattern: str) -> str:
            return re.sub(
                r"\{(\w+)\}", lambda match: f"(?:{words[match.group(1)]})", pattern.replace("{,", "{0,")
            )

        rules = tuple(
            _Rule(
                rule["category"],
                float(rule["score"]),
                _compiled(expanded(rule["pattern"])),
                _compiled(expanded(rule["unless"])) if "unless" in rule else None,
            )
            for rule in (*document["rules"], *signs["rules"])
        )
        unknown = {rule.category for rule in rules} - set(CATEGORIES)
        if unknown:
            raise ValueError(f"unknown categories {sorted(unknown)}")
        prefilter = Gate([need(rule.pattern) for rule in rules], {})
        return _Lexicon(rules, _compiled(f"{document['gate']}|{signs['gate']}"), prefilter)
    except (OSError, KeyError, ValueError, NotImplementedError, re.error) as error:
        raise DetectorUnavailable(
            f"the safety lexicon of language {language} cannot be read: {type(error).__name__}",
            hint="repair models/screening/safety/lexicons or remove the language from screening.languages",
        ) from error


@lru_cache(maxsize=1)
def lexicon_languages() -> frozenset[str]:
    """Languages that have a lexicon."""
    folder = resources.files("models.screening.safety") / "lexicons"
    return frozenset(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    ) - {_ANY}


@dataclass(frozen=True)
class LexiconModel:
    """Rules of one language at a time; English rules are read on top for Romanised Hindi, which mixes the two."""

    name: str = "lexicon"

    @property
    def version(self) -> str:
        """Hash of every lexicon file."""
        return _lexicons_hash()

    def load(self) -> None:
        """Read every lexicon. Raises DetectorUnavailable when one is broken or there is none."""
        if not lexicon_languages():
            raise DetectorUnavailable(
                "no safety lexicon is installed", hint="reinstall the project (uv sync)"
            )
        for language in sorted(lexicon_languages()):
            _lexicon(language)

    def supports(self, language: str) -> bool:
        """Whether the language has a lexicon; undetermined short text is read with all of them."""
        return language in lexicon_languages() or language == "und"

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """The highest rule of each text."""
        if language == "und":
            languages = sorted(lexicon_languages())
        elif language == "hi-Latn":
            languages = ["hi-Latn", "en"]
        else:
            languages = [language]
        readings = _readings(texts)
        best = [SAFE] * len(texts)
        for tag in languages:
            lexicon = _lexicon(tag)
            worst = [SAFE] * len(texts)
            masks = lexicon.prefilter.masks([reading for _, reading in readings])
            of_rules = lexicon.bits
            for (index, reading), mask in zip(readings, masks, strict=True):
                if mask & of_rules:
                    worst[index] = lexicon.worst(reading, mask, worst[index])
            # Of equal scores the first language's counts.
            best = [max(pair, key=lambda score: score.score) for pair in zip(best, worst, strict=True)]
        return best


def _readings(texts: Sequence[str]) -> list[tuple[int, str]]:
    """(index of the text, reading): the normalised text, and what it says without disguises."""
    views = [normalised(text) for text in texts]
    readings: list[tuple[int, str]] = []
    for index, (view, joined) in enumerate(zip(views, joined_views(views), strict=True)):
        readings.append((index, view.text))
        if joined is not None:
            readings.append((index, joined.text))
        readings += [(index, reading) for reading in further_readings(view.text)]
    return readings


@lru_cache(maxsize=1)
def _lexicons_hash() -> str:
    digest = hashlib.sha256()
    for name in sorted({_ANY, *lexicon_languages()}):
        digest.update((resources.files("models.screening.safety") / "lexicons" / f"{name}.toml").read_bytes())
    return digest.hexdigest()[:12]
