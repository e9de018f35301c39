"""Messages of users: corpus lines, short replies and a grammar wide enough that most messages are distinct."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from infra.sandbox.characters import fill
from infra.sandbox.grammar import Grammar, Template, grammar, pick, render
from infra.sandbox.settings import SandboxSettings


@dataclass(frozen=True)
class Speaker:
    """How one user writes."""

    language: str
    source: str
    typo_rate: float
    code_mix_rate: float
    corpus_line_rate: float
    short_message_rate: float


def speaker(settings: SandboxSettings, language: str, source: str) -> Speaker:
    """A user's manner of writing; internal vendors and experts write carefully and in full sentences."""
    internal = source == "internal"
    return Speaker(
        language=language,
        source=source,
        typo_rate=0.0 if internal else settings.typo_rate,
        code_mix_rate=0.0 if internal or language == "en" else settings.code_mix_rate,
        corpus_line_rate=0.0 if internal else settings.corpus_line_rate,
        short_message_rate=0.0 if internal else settings.short_message_rate,
    )


def add_typo(text: str, draw: Random) -> str:
    """Swap, drop or double one character inside the text; texts under four characters stay."""
    if len(text) < 4:
        return text
    place = 1 + int(draw.random() * (len(text) - 3))
    kind = draw.random()
    if kind < 0.4:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if kind < 0.7:
        return text[:place] + text[place + 1 :]
    return text[:place] + text[place] + text[place:]


def _act(lexicon: Grammar, draw: Random) -> Template:
    acts = tuple(lexicon.acts.values())
    template: Template = pick(draw, pick(draw, acts))
    return template


def user_message(author: Speaker, topic: str, draw: Random, opening: bool = False) -> str:
    """One message on a topic. An opening message of a conversation is never a mere "ok"."""
    lexicon = grammar(author.language)
    kind = draw.random()
    if author.source == "internal":
        return render(pick(draw, lexicon.internal), fill(author.language, topic, draw))
    if kind < author.short_message_rate and not opening:
        return str(pick(draw, lexicon.short))
    if kind > 1.0 - author.corpus_line_rate:
        return str(pick(draw, lexicon.corpus))
    text = render(_act(lexicon, draw), fill(author.language, topic, draw))
    form = draw.random()
    if form < 0.35:
        text = f"{pick(draw, lexicon.openers)} {text}"
    if form > 0.75:
        text = f"{text}, {pick(draw, lexicon.tails)}"
    elif form > 0.6:
        text = f"{text}. {render(_act(lexicon, draw), fill(author.language, topic, draw))}"
    if draw.random() < author.code_mix_rate:
        english = grammar("en")
        text = (
            f"{pick(draw, english.openers)} {text}"
            if draw.random() < 0.5
            else f"{text} {pick(draw, english.tails)}"
        )
    if draw.random() < author.typo_rate:
        text = add_typo(text, draw)
    return text
