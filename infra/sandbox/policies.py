"""Policies that answer: the protocol, and corpus policies whose versions rise or fall by design.

A corpus policy draws candidate answers, each a plan of ingredients (taking up the user's words, the
character's voice, a question back, length, language), and picks one by a softmax over the ingredients' worth:
a low temperature gives engaging answers. Style transforms with stated rates are applied to the chosen one.
A served model implements the same protocol and answers whole batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol

from infra.sandbox.characters import Character, fill
from infra.sandbox.engagingness import Message
from infra.sandbox.grammar import Grammar, grammar, pick, render, trait_names

EMOJI = ("😊", "😂", "🔥", "✨", "😍", "🙌", "👍", "🎉")


@dataclass(frozen=True)
class Context:
    """What a policy is asked to answer: the conversation so far, oldest first, without its response.

    `language` and `topic` are the product's own guess; `seed` makes a sampled answer repeatable, and is the
    same for every arm of an experiment; `closing` says that the user is saying goodbye.
    """

    messages: Sequence[Message]
    character: Character | None
    language: str
    topic: str
    seed: int
    closing: bool = False


class Policy(Protocol):
    """A model version that answers. Responses come in the order of the contexts, one each."""

    @property
    def version(self) -> str:
        """The model version, as logged."""
        ...

    def respond(self, contexts: Sequence[Context]) -> Sequence[str]:
        """One response per context."""
        ...


@dataclass(frozen=True)
class Style:
    """What a corpus policy does and how often; shares of responses, but for `temperature`."""

    temperature: float
    emoji: float = 0.1
    bullet_list: float = 0.03
    long_winded: float = 0.04
    templated: float = 0.08
    refusal: float = 0.03
    preaching: float = 0.02
    flattery: float = 0.08
    language_switch: float = 0.03
    broken_markdown: float = 0.02
    loop: float = 0.005


# V1 to V3 rise. V4 is the regression by design: it pleases annotators (emoji, lists, length, flattery) and bores.
STYLES: Mapping[str, Style] = {
    "V1": Style(temperature=3.0, templated=0.22, refusal=0.08, preaching=0.06, language_switch=0.08),
    "V2": Style(temperature=1.2, templated=0.1, refusal=0.04, language_switch=0.04),
    "V3": Style(temperature=0.35, templated=0.03, refusal=0.01, language_switch=0.01),
    "V4": Style(temperature=2.5, emoji=0.6, bullet_list=0.25, long_winded=0.3, templated=0.25, flattery=0.35),
    "V5": Style(temperature=0.2, emoji=0.05, templated=0.01, refusal=0.005, preaching=0.005, flattery=0.04),
}


class _Plan(NamedTuple):
    takes_up: int  # content words of the user's that are taken up
    voice: int  # lines in the character's voice
    asks: bool
    sentences: int

    @property
    def worth(self) -> float:
        return 0.9 * self.takes_up + 0.7 * self.voice + 0.9 * self.asks - 0.4 * abs(self.sentences - 2)


class CorpusPolicy:
    """Answers from the grammar of the user's language. Pure: the same context gives the same response."""

    def __init__(self, version: str, style: Style, candidates: int = 4) -> None:
        self._version = version
        self.style = style
        self.candidates = candidates

    @property
    def version(self) -> str:
        """The model version, as logged."""
        return self._version

    def respond(self, contexts: Sequence[Context]) -> list[str]:
        """One response per context, each from the context's own seed."""
        return [self._respond(context) for context in contexts]

    def _plan(self, draw: Random) -> _Plan:
        plans = []
        for _ in range(self.candidates):
            a, b, c, d = draw.random(), draw.random(), draw.random(), draw.random()
            plans.append(_Plan(int(a * 3), int(b * 2), c < 0.4, int(d * 4)))
        weights = [math.exp(plan.worth / self.style.temperature) for plan in plans]
        place = draw.random() * sum(weights)
        for plan, weight in zip(plans, weights, strict=True):
            place -= weight
            if place < 0:
                return plan
        return plans[-1]

    def _respond(self, context: Context) -> str:
        draw = Random(context.seed)
        plan = self._plan(draw)
        moods = [draw.random() for _ in range(10)]
        language = context.language
        style = self.style
        if moods[0] < style.language_switch:
            others = ("es", "hi", "hi-Latn") if language == "en" else ("en",)
            language = others[int(draw.random() * len(others))]
        lexicon = grammar(language)
        character = context.character
        slots = fill(language, context.topic, draw, character.name if character is not None else None)
        if not context.messages:
            return render(pick(draw, lexicon.responses["greeting"]), slots)
        if moods[1] < style.refusal:
            return render(pick(draw, lexicon.responses["refusal"]), slots)
        sentences = self._sentences(plan, context, lexicon, slots, draw)
        return _dress(sentences, style, moods, lexicon, slots, draw, context.closing)

    def _sentences(
        self, plan: _Plan, context: Context, lexicon: Grammar, slots: dict[str, str], draw: Random
    ) -> list[str]:
        user_features = context.messages[-1].features
        content = [word for word in user_features.words if word[:6] in user_features.content]
        sentences = []
        for turn in range(plan.takes_up):
            if not content:
                break
            echo = content[int(draw.random() * len(content))]
            kinds = lexicon.responses["acknowledge"]
            if turn == 0:
                sentences.append(render(pick(draw, kinds), slots | {"echo": echo}))
            else:
                slots["thing"] = echo
        if not plan.takes_up:
            sentences.append(render(pick(draw, lexicon.responses["vague"]), slots))
        for _ in range(plan.sentences):
            sentences.append(render(pick(draw, lexicon.responses["body"]), slots))
        if plan.voice:
            character = context.character
            traits = character.traits if character is not None else trait_names()[:1]
            voiced = lexicon.traits.get(traits[int(draw.random() * len(traits))])
            if voiced is not None:
                sentences.append(pick(draw, voiced.lines))
        if plan.asks:
            sentences.append(render(pick(draw, lexicon.responses["follow_up"]), slots))
        return sentences


def _dress(
    sentences: list[str],
    style: Style,
    moods: list[float],
    lexicon: Grammar,
    slots: dict[str, str],
    draw: Random,
    closing: bool,
) -> str:
    """Apply the style transforms; a mood below a rate switches the transform on."""
    responses = lexicon.responses
    if moods[2] < style.templated:
        sentences.insert(0, render(pick(draw, responses["templated"]), slots))
    if moods[3] < style.preaching:
        sentences.append(render(pick(draw, responses["preaching"]), slots))
    if closing:
        sentences = [render(pick(draw, responses["goodbye"]), slots)]
    elif moods[4] < style.flattery:
        sentences.insert(0, render(pick(draw, responses["flattery"]), slots))
    if moods[5] < style.long_winded:
        for _ in range(12):
            sentences.append(render(pick(draw, responses["body"]), slots))
            sentences.append(render(pick(draw, responses["filler"]), slots))
    if moods[6] < style.loop:
        sentences.extend([sentences[-1]] * 4)
    if moods[7] < style.bullet_list:
        ideas = [render(pick(draw, responses["body"]), slots) for _ in range(3)]
        text = " ".join(sentences) + "".join(f"\n- {idea}" for idea in ideas)
    else:
        text = " ".join(sentences)
    if moods[8] < style.broken_markdown:
        text = f"**{text}"
    if moods[9] < style.emoji:
        text = f"{text} {pick(draw, EMOJI)}"
    return text


def corpus_policies(versions: Sequence[str]) -> dict[str, Policy]:
    """The corpus policies of the versions. Raises KeyError for a version without a designed style."""
    return {version: CorpusPolicy(version, STYLES[version]) for version in versions}
