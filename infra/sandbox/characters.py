"""Characters that users talk to: topic, traits and instructions, and how popular they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from infra.sandbox.grammar import grammar, pick, render, topics, trait_names


@dataclass(frozen=True)
class Character:
    """One version of a character. `traits` may hold any words; those in the lexicon have a voice."""

    character_id: str
    name: str
    topic: str
    traits: tuple[str, ...]
    instructions: str
    language: str
    creator_id: str
    state: str = "published"


def fill(language: str, topic: str, draw: Random, name: str | None = None) -> dict[str, str]:
    """Slots of a template, drawn in a fixed order so that streams stay in step."""
    lexicon = grammar(language)
    things = lexicon.things[topic]
    return {
        "thing": pick(draw, things),
        "thing2": pick(draw, things),
        "name": name or pick(draw, lexicon.names),
        "city": pick(draw, lexicon.cities),
        "time": pick(draw, lexicon.times),
        "feeling": pick(draw, lexicon.feelings),
        "n": str(2 + int(draw.random() * 97)),
    }


def make_characters(seed: int, count: int, languages: dict[str, float]) -> tuple[Character, ...]:
    """The seeded cast: the first `len(topics())` cover every topic, ids are stable under a larger `count`."""
    cast = []
    every_topic, every_trait = topics(), trait_names()
    tags = tuple(languages)
    for index in range(count):
        draw = Random(f"{seed}|character|{index}")
        topic = every_topic[index % len(every_topic)]
        language = draw.choices(tags, weights=[languages[tag] for tag in tags])[0]
        traits = tuple(draw.sample(every_trait, 2))
        lexicon = grammar(language)
        name = f"{pick(draw, lexicon.names)} {index}"
        slots = fill(language, topic, draw, name) | {"trait": traits[0], "trait2": traits[1]}
        lines = [render(line, slots) for line in lexicon.instructions if draw.random() < 0.8]
        cast.append(
            Character(
                character_id=f"ch{index:04d}",
                name=name,
                topic=topic,
                traits=traits,
                instructions=" ".join(lines) or render(lexicon.instructions[0], slots),
                language=language,
                creator_id=f"creator{index % max(1, count // 3):04d}",
            )
        )
    return tuple(cast)


def revised(character: Character, seed: int) -> Character:
    """The character after an edit of its creator: another second trait, one more sentence."""
    draw = Random(f"{seed}|revision|{character.character_id}")
    other = pick(draw, tuple(t for t in trait_names() if t not in character.traits))
    lexicon = grammar(character.language)
    extra = render(
        lexicon.instructions[0],
        fill(character.language, character.topic, draw, character.name)
        | {"trait": character.traits[0], "trait2": other},
    )
    return replace(
        character,
        traits=(character.traits[0], other),
        instructions=f"{character.instructions} {extra}",
    )
