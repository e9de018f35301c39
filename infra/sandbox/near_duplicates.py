"""Families of near-duplicate prompts: each member is a function of the seed and its place in the family."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from infra.sandbox.population import World, mix
from infra.sandbox.settings import SandboxSettings
from infra.sandbox.words import Speaker, add_typo, user_message

KINDS = ("base", "exact", "case_punctuation", "one_word", "typo", "chain")
CHAIN_LENGTH = 5


@dataclass(frozen=True)
class Member:
    """One planted prompt: `step` counts the edits from the base along a chain (0 outside chains)."""

    family_id: str
    kind: str
    step: int
    text: str
    character_index: int


def _swap_word(text: str, draw: Random) -> str:
    words = text.split(" ")
    if len(words) < 2:
        return text + "!"
    place = int(draw.random() * len(words))
    words[place] = ("really", "maybe", "quite", "indeed", "perhaps")[int(draw.random() * 5)]
    return " ".join(words)


def member(world: World, language: str, draw: Random) -> Member:
    """Draw a member of one of the language's families; the base and its copies are the same text."""
    settings: SandboxSettings = world.settings
    number = int(draw.random() * world.families_per_language[language])
    kind = KINDS[int(draw.random() * len(KINDS))]
    code = ("en", "es", "hi", "hi-Latn").index(language)
    family = Random(mix(settings.seed, 3, code, number))
    character_index = world.popular(family.random())
    plain = Speaker(language, "user", 0.0, 0.0, 0.0, 0.0)
    text = user_message(plain, world.characters[character_index].topic, family, opening=True)
    step = 0
    if kind == "case_punctuation":
        text = text.upper().rstrip("?!.") if draw.random() < 0.5 else f"{text.capitalize()}!!"
    elif kind == "one_word":
        text = _swap_word(text, draw)
    elif kind == "typo":
        text = add_typo(text, draw)
    elif kind == "chain":
        # Edits are drawn from the family's stream: step k is one word from step k-1 in every member.
        step = 1 + int(draw.random() * CHAIN_LENGTH)
        for _ in range(step):
            text = _swap_word(text, family)
    return Member(f"f-{language}-{number:06d}", kind, step, text, character_index)
