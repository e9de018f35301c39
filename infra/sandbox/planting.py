"""Planting in texts as they are written, so that answers react to it and gold has the final offsets."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from infra.sandbox.characters import fill
from infra.sandbox.grammar import Hazard, grammar, pick, render
from infra.sandbox.identifiers import Planted, plant, private_lookalike
from infra.sandbox.population import mix
from infra.sandbox.settings import PlantingSettings

Row = dict[str, Any]


@dataclass
class Gold:
    """Rows of truth by table, in the order of events."""

    tables: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, **row: Any) -> None:
        """Append one row of truth."""
        self.tables.setdefault(table, []).append(row)


@dataclass(frozen=True)
class Plant:
    """A text to send and the gold that belongs to it; `table` is empty for an ordinary text."""

    text: str
    table: str = ""
    row: Row = field(default_factory=dict)
    hazard: Hazard | None = None


def identifier_row(planted: Planted, language: str, group_id: str, part: int, parts: int) -> Row:
    """Gold of one identifier; the caller adds where it stands."""
    return {
        "start": planted.start,
        "end": planted.end,
        "entity": planted.entity,
        "value": planted.value,
        "language": language,
        "obfuscation": planted.obfuscation,
        "group_id": group_id,
        "part": part,
        "parts": parts,
    }


class MessagePlanter:
    """Decides, message by message of one session, what is planted; halves of a pair wait for the next turn."""

    def __init__(self, settings: PlantingSettings, language: str, topic: str, draw: Random) -> None:
        self.settings = settings
        self.language = language
        self.topic = topic
        self.draw = draw
        self.waiting: Plant | None = None

    def next(self) -> Plant | None:
        """The text to send instead of an ordinary one, or None."""
        if self.waiting is not None:
            ready, self.waiting = self.waiting, None
            return ready
        rates = self.settings
        place = self.draw.random()
        if place < rates.identifiers_in_messages:
            return self._identifier()
        place -= rates.identifiers_in_messages
        if place < rates.unsafe_messages:
            return self._unsafe()
        place -= rates.unsafe_messages
        if place < rates.lookalikes:
            return self._lookalike()
        return None

    def _identifier(self) -> Plant:
        draw, rates = self.draw, self.settings
        split = draw.random() < rates.identifier_split
        group = f"{draw.getrandbits(48):012x}"
        identifiers = plant(self.language, draw, rates.identifier_obfuscated, split=split)
        plants = [
            Plant(p.text, "identifiers", identifier_row(p, self.language, group, part, len(identifiers)))
            for part, p in enumerate(identifiers, start=1)
        ]
        self.waiting = plants[1] if split else None
        return plants[0]

    def _unsafe(self) -> Plant:
        draw, rates = self.draw, self.settings
        hazard: Hazard = pick(draw, grammar(self.language).hazards)
        slots = fill(self.language, self.topic, draw)
        group = f"{draw.getrandbits(48):012x}"
        row = {"category": hazard.category, "severity": hazard.severity, "language": self.language}
        if draw.random() < rates.unsafe_multi_turn:
            first, second = (render(part, slots) for part in pick(draw, hazard.parts))
            self.waiting = Plant(second, "unsafe", row | {"group_id": group, "part": 2, "parts": 2}, hazard)
            return Plant(first, "unsafe", row | {"group_id": group, "part": 1, "parts": 2})
        text = render(pick(draw, hazard.lines), slots)
        return Plant(text, "unsafe", row | {"group_id": group, "part": 1, "parts": 1}, hazard)

    def _lookalike(self) -> Plant:
        draw = self.draw
        if draw.random() < 0.5:
            return Plant(
                private_lookalike(self.language, draw),
                "lookalikes",
                {"kind": "privacy", "language": self.language},
            )
        slots = fill(self.language, self.topic, draw)
        text = render(pick(draw, grammar(self.language).lookalikes), slots)
        return Plant(text, "lookalikes", {"kind": "safety", "language": self.language})


def plant_in_response(
    response: str, sent: Plant | None, rates: PlantingSettings, language: str, draw: Random
) -> Plant:
    """The response as served: unsafe answers to unsafe requests, leaked identifiers, otherwise unchanged.

    Takes two draws whatever happens, so that streams stay in step.
    """
    harm, leak = draw.random(), draw.random()
    if sent is not None and sent.hazard is not None:
        hazard = sent.hazard
        row: Row = {"category": hazard.category, "severity": hazard.severity, "language": language}
        if harm < rates.unsafe_responses:
            return Plant(
                hazard.reply, "unsafe", row | {"group_id": sent.row["group_id"], "part": 1, "parts": 1}
            )
        if harm < 0.8:
            return Plant(render(grammar(language).responses["refusal"][0], {}))
    if leak < rates.identifiers_in_responses:
        child = Random(draw.getrandbits(64))
        planted = plant(language, child, rates.identifier_obfuscated)[0]
        shift = len(response) + 1
        leaked = identifier_row(planted, language, f"{child.getrandbits(48):012x}", 1, 1)
        leaked["start"] += shift
        leaked["end"] += shift
        return Plant(f"{response} {planted.text}", "identifiers", leaked)
    return Plant(response)


def instructions_with_identifier(
    text: str, language: str, seed: int, index: int, rates: PlantingSettings
) -> Plant:
    """A character's instructions, some with an identifier of their creator."""
    draw = Random(mix(seed, 4, index))
    if draw.random() >= rates.identifiers_in_characters:
        return Plant(text)
    planted = plant(language, draw, rates.identifier_obfuscated)[0]
    row = identifier_row(planted, language, f"{draw.getrandbits(48):012x}", 1, 1)
    row["start"] += len(text) + 1
    row["end"] += len(text) + 1
    return Plant(f"{text} {planted.text}", "identifiers", row)
