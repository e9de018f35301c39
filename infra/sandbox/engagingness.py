"""The hidden truth of the sandbox: how engaging a response is, as a fixed function of what the text is.

    engagingness = sigmoid(bias + sum over factors of weight * factor)          in (0, 1)

Each factor lies in 0..1 and depends on nothing but the texts (see `Factors`), so that the function is
defined for anything that a person or a model may write. Weights differ slightly, by a seeded jitter, between
the language and the topic of the user's message; they are written to `truth/weights.json`.
It stands in for the "engagingness" that section 2.2.2 asks annotators to judge. Nothing measured with it is
a result on people.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from infra.sandbox.characters import Character
from infra.sandbox.grammar import LANGUAGES, grammar, stem, topics
from infra.sandbox.text_features import OTHER, UNDETERMINED, Features, broken_markdown, stuck

Role = Literal["user", "assistant"]
JITTER = 0.15
BIAS = -2.6


class Message:
    """One message of a conversation. Its features are measured when first asked for and kept."""

    __slots__ = ("_features", "role", "text")

    def __init__(self, role: Role, text: str) -> None:
        self.role: Role = role
        self.text = text
        self._features: Features | None = None

    @property
    def features(self) -> Features:
        """What the text is."""
        if self._features is None:
            self._features = Features(self.text)
        return self._features


class Factors(NamedTuple):
    """The documented factors, each in 0..1; the first five raise engagingness, the others lower it."""

    relevance: float  # share of the user's content words (at most 3 needed) taken up; half for their topic
    traits: float  # the character's traits audible: two marker words, or the trait's own name, for 1
    follow_up: float  # the last sentence is a question
    same_language: float  # answered in the language and script of the user's message
    length: float  # inverted U in log words around what the situation asks (18 to 60 words)
    repetition: float  # share of trigrams repeated within, or taken from the last three responses
    templated: float  # stock phrases: one 0.6, two or more 1
    refusal: float  # refuses although the message asks nothing unsafe
    preaching: float  # moralising phrases
    broken_markdown: float  # unclosed emphasis, code or links
    wall_of_text: float  # more than 120 words without a line break, 1 at 240
    language_switch: float  # share of a second language within the response
    loop: float  # mostly repeats itself, or one word four times in a row


BASE_WEIGHTS = Factors(1.7, 1.0, 0.8, 1.2, 1.4, -1.6, -1.0, -2.0, -1.0, -0.8, -1.5, -1.0, -2.0)


def _jitter(seed: int, *parts: str) -> float:
    digest = hashlib.blake2b("|".join((str(seed), *parts)).encode(), digest_size=8).digest()
    return 1.0 + JITTER * (2.0 * int.from_bytes(digest, "big") / 2**64 - 1.0)


def _weights(seed: int) -> dict[tuple[str, str], Factors]:
    """Weights by (language, topic); unknown languages and topics have the base weights."""
    table = {}
    for language in LANGUAGES:
        for topic in topics():
            values = (
                w * _jitter(seed, language, topic, name)
                for name, w in zip(Factors._fields, BASE_WEIGHTS, strict=True)
            )
            table[language, topic] = Factors(*values)
    return table


@lru_cache(maxsize=1)
def _phrases() -> dict[str, tuple[tuple[str, ...], frozenset[str]]]:
    """By kind: phrases to find as substrings, and single words to find as words, of all languages."""
    by_kind = {}
    for kind in ("refusal", "preaching", "templated", "flattery"):
        phrases = [phrase for language in LANGUAGES for phrase in grammar(language).markers[kind]]
        single = frozenset(phrase for phrase in phrases if " " not in phrase)
        by_kind[kind] = (tuple(phrase for phrase in phrases if " " in phrase), single)
    return by_kind


@lru_cache(maxsize=1)
def _unsafe_stems() -> frozenset[str]:
    words: set[str] = set()
    for language in LANGUAGES:
        lexicon = grammar(language)
        benign = {
            s for template in lexicon.lookalikes for part in template[::2] for s in Features(part).content
        }
        for hazard in lexicon.hazards:
            for template in (*hazard.lines, *(part for parts in hazard.parts for part in parts)):
                words.update(s for part in template[::2] for s in Features(part).content)
        words -= benign
    return frozenset(words - set(_topic_stems()))


def _topic_stems() -> set[str]:
    return {s for language in LANGUAGES for s in grammar(language).topic_of_stem}


def count_phrases(kind: str, features: Features) -> int:
    """How many phrases of a kind (refusal, preaching, templated, flattery) the text holds."""
    phrases, single = _phrases()[kind]
    lower = features.lower
    count = sum(1 for phrase in phrases if phrase in lower)
    return count + len(single.intersection(features.words)) if single else count


def asks_something_unsafe(features: Features) -> bool:
    """Whether at least two content words belong to the vocabulary of unsafe requests."""
    return sum(1 for s in features.content if s in _unsafe_stems()) >= 2


@lru_cache(maxsize=4096)
def _markers(traits: tuple[str, ...], language: str) -> frozenset[str]:
    trait_table = grammar(language if language in LANGUAGES else "en").traits
    stems = {stem(trait) for trait in traits}
    for trait in traits:
        if trait in trait_table:
            stems |= trait_table[trait].markers
    return frozenset(stems)


def _length(words: int, user_words: int) -> float:
    if words == 0:
        return 0.0
    ideal = min(60.0, max(18.0, 12.0 + 1.1 * user_words))
    return math.exp(-0.5 * (math.log(words / ideal) / 0.6) ** 2)


def _relevance(user: Features, response: Features) -> float:
    if not user.content:
        return 0.5
    shared = len(response.stems.intersection(user.content))
    value = shared / min(3, len(user.content))
    if value < 0.5 and user.topic and user.topic == response.topic:
        value = 0.5
    return min(1.0, value)


def factors(context: Sequence[Message], response: str | Message, character: Character | None) -> Factors:
    """Measure a response to a conversation (oldest message first; may be empty, as for a greeting)."""
    message = response if isinstance(response, Message) else Message("assistant", response)
    text, features = message.text, message.features
    user: Features | None = None
    copied, earlier = 0.0, 0
    for previous in reversed(context[-8:]):
        if previous.role == "user":
            user = user or previous.features
        elif earlier < 3:
            earlier += 1
            if features.trigrams:
                shared = len(features.trigrams & previous.features.trigrams)
                copied = max(copied, shared / len(features.trigrams))
    same = 1.0
    refused = 0.0
    if user is not None:
        languages = {user.language, features.language}
        same = 1.0 if len(languages) == 1 or UNDETERMINED in languages else 0.0
        if count_phrases("refusal", features) and not asks_something_unsafe(user):
            refused = 1.0
    count = len(features.words)
    voiced = (
        len(features.stems & _markers(character.traits, features.language)) if character is not None else 0
    )
    within = features.within
    stock = count_phrases("templated", features)
    return Factors(
        relevance=_relevance(user, features) if user is not None else 0.5,
        traits=min(1.0, voiced / 2),
        follow_up=1.0 if text.rstrip(' "*)\n')[-1:] in ("?", "？", "؟") else 0.0,
        same_language=same,
        length=_length(count, len(user.words) if user is not None else 6),
        repetition=min(1.0, max(2.0 * within, copied)),
        templated=min(1.0, 0.6 * stock),
        refusal=refused,
        preaching=1.0 if count_phrases("preaching", features) else 0.0,
        broken_markdown=1.0 if broken_markdown(text) else 0.0,
        wall_of_text=min(1.0, (count - 120) / 120) if count > 120 and "\n" not in text.strip() else 0.0,
        language_switch=features.switch,
        loop=1.0 if within > 0.5 or stuck(features.words) else 0.0,
    )


class Engagingness:
    """The truth under one seed: weights by language and topic, and the score they give."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.weights = _weights(seed)

    def weights_for(self, language: str, topic: str) -> Factors:
        """The weights of a language and topic; the base weights where either is unknown."""
        return self.weights.get((language, topic), BASE_WEIGHTS)

    def __call__(
        self, context: Sequence[Message], response: str | Message, character: Character | None
    ) -> float:
        """Engagingness in (0, 1) of a response to the context. Never fails, whatever the text."""
        values = factors(context, response, character)
        language, topic = UNDETERMINED, ""
        for previous in reversed(context):
            if previous.role == "user":
                language, topic = previous.features.language, previous.features.topic
                break
        total = BIAS
        for weight, value in zip(self.weights_for(language, topic), values, strict=True):
            if value:
                total += weight * value
        return 1.0 / (1.0 + math.exp(-total))


@lru_cache(maxsize=8)
def _truth(seed: int) -> Engagingness:
    return Engagingness(seed)


def engagingness(
    context: Sequence[Message], response: str, character: Character | None, seed: int = 7
) -> float:
    """The hidden engagingness of any response, in (0, 1), under the weights of a sandbox's seed."""
    return _truth(seed)(context, response, character)


__all__ = [
    "BASE_WEIGHTS",
    "OTHER",
    "Engagingness",
    "Factors",
    "Message",
    "Role",
    "asks_something_unsafe",
    "count_phrases",
    "engagingness",
    "factors",
]
