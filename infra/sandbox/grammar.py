"""The grammar of each language: its lexicon files and corpus lines, compiled once per process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, cast

import yaml
from faker import Faker

LEXICON = Path(__file__).parent / "lexicon"
LANGUAGES = ("en", "es", "hi", "hi-Latn")
SLOT = re.compile(r"\{(\w+)\}")
# Words of Latin script and Devanagari; the second range leaves out the danda, which ends sentences.
WORD = re.compile(r"[\wऀ-ॣ०-ॿ']+")
SENTENCE = re.compile(r"[^.!?।？！\n]+[.!?।？！]*")

Template = tuple[str, ...]  # literals at even places, slot names at odd ones


def compile_template(text: str) -> Template:
    """Cut a template at its slots: literals at even places, slot names at odd ones."""
    return tuple(SLOT.split(text))


def render(template: Template, slots: Mapping[str, str]) -> str:
    """Fill a compiled template. Raises KeyError for a slot that is not given."""
    if len(template) == 1:
        return template[0]
    return "".join(part if i % 2 == 0 else slots[part] for i, part in enumerate(template))


@dataclass(frozen=True)
class Trait:
    """How a trait sounds: whole lines that a character may say, and the words that give it away."""

    lines: tuple[str, ...]
    markers: frozenset[str]


@dataclass(frozen=True)
class Hazard:
    """One category of unsafe requests: single lines, pairs harmful only together, an unsafe answer."""

    category: str
    severity: int
    lines: tuple[Template, ...]
    parts: tuple[tuple[Template, ...], ...]
    reply: str


@dataclass(frozen=True)
class Grammar:
    """All that is said in one language. Slot lists hold plain strings, templates are compiled."""

    language: str
    function_words: frozenset[str]
    openers: tuple[str, ...]
    tails: tuple[str, ...]
    times: tuple[str, ...]
    feelings: tuple[str, ...]
    short: tuple[str, ...]
    moods: Mapping[str, tuple[str, ...]]  # good, bad
    things: Mapping[str, tuple[str, ...]]
    acts: Mapping[str, tuple[Template, ...]]
    internal: tuple[Template, ...]
    responses: Mapping[str, tuple[Template, ...]]
    markers: Mapping[str, tuple[str, ...]]  # refusal, preaching, templated, flattery
    traits: Mapping[str, Trait]
    instructions: tuple[Template, ...]
    hazards: tuple[Hazard, ...]
    lookalikes: tuple[Template, ...]
    names: tuple[str, ...]
    cities: tuple[str, ...]
    corpus: tuple[str, ...]
    topic_of_stem: Mapping[str, str]


def stem(word: str) -> str:
    """The first six characters in lower case: enough to match a word with its inflections."""
    return word[:6].lower()


def _corpus_lines(folders: Iterable[str]) -> tuple[str, ...]:
    import chatterbot_corpus

    root = Path(cast(str, chatterbot_corpus.__file__)).parent / "data"
    lines: set[str] = set()
    for folder in folders:
        for path in sorted((root / folder).glob("*.yml")):
            document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
            for conversation in document["conversations"]:
                lines.update(str(line).strip() for line in conversation)
    return tuple(sorted(line for line in lines if 2 <= len(line) <= 200))


def _pool(draw: Any, size: int) -> tuple[str, ...]:
    return tuple(sorted({str(draw()) for _ in range(size)}))


def _templates(lines: Iterable[str]) -> tuple[Template, ...]:
    return tuple(compile_template(line) for line in lines)


def _hazards(document: Mapping[str, Any]) -> tuple[Hazard, ...]:
    return tuple(
        Hazard(
            category=category,
            severity=int(entry["severity"]),
            lines=_templates(entry["lines"]),
            parts=tuple(_templates(parts) for parts in entry["parts"]),
            reply=str(entry["reply"]),
        )
        for category, entry in sorted(document.items())
    )


@cache
def grammar(language: str) -> Grammar:
    """Load the grammar of one language. The Faker pools are drawn with a fixed seed of their own."""
    document = yaml.load((LEXICON / f"{language}.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    harm = yaml.load((LEXICON / "harm.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)[language]
    faker = Faker(document["faker"])
    faker.seed_instance(20260101)
    things = {topic: tuple(entry["things"]) for topic, entry in document["topics"].items()}
    stems: dict[str, str] = {}
    for topic, words in things.items():
        for phrase in words:
            for word in WORD.findall(phrase):
                if word.lower() not in document["function_words"]:
                    stems.setdefault(stem(word), topic)
    return Grammar(
        language=language,
        function_words=frozenset(document["function_words"]),
        openers=tuple(document["openers"]),
        tails=tuple(document["tails"]),
        times=tuple(document["times"]),
        feelings=tuple(document["feelings"]),
        short=tuple(document["short"]),
        moods={mood: tuple(lines) for mood, lines in document["moods"].items()},
        things=things,
        acts={act: _templates(lines) for act, lines in document["acts"].items()},
        internal=_templates(document["internal"]),
        responses={kind: _templates(lines) for kind, lines in document["responses"].items()},
        markers={
            kind: tuple(document[f"{kind}_markers"])
            for kind in ("refusal", "preaching", "templated", "flattery")
        },
        traits={
            name: Trait(tuple(entry["lines"]), frozenset(stem(word) for word in entry["markers"]))
            for name, entry in document["traits"].items()
        },
        instructions=_templates(document["instructions"]),
        hazards=_hazards(harm["unsafe"]),
        lookalikes=_templates(harm["lookalikes"]),
        names=_pool(faker.first_name, 2500),
        cities=_pool(faker.city, 1500),
        corpus=_corpus_lines(document["corpus"]),
        topic_of_stem=stems,
    )


def topics() -> tuple[str, ...]:
    """The topics that every language covers, in a fixed order."""
    return tuple(grammar("en").things)


def trait_names() -> tuple[str, ...]:
    """The traits that every language can voice, in a fixed order."""
    return tuple(grammar("en").traits)


def pick(draw: Random, options: tuple[Any, ...]) -> Any:
    """One of `options`, from one uniform draw: cheaper than Random.choice and always one draw."""
    return options[int(draw.random() * len(options))]
