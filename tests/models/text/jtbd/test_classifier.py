"""Jobs to be done: cue words in several languages, prototypes by the packaged encoder on sentences it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from infra.settings import EncoderSettings
from models.text.encoders import encoder_name, load_encoder
from models.text.jtbd.classifier import Classifier, by_cue, by_hint
from models.text.jtbd.taxonomy import NAMES, OTHER, TAXONOMY, UNKNOWN

HELD_OUT = {
    "I bow before the dragon and offer it my golden crown.": "role_play",
    "You are my knight and I am your queen, kneel before me.": "role_play",
    "I cried the whole night, nobody wants to be my friend.": "emotional_support",
    "My father died and I do not know how to cope.": "emotional_support",
    "I like hiking with my dog on weekends, and you?": "small_talk",
    "Good morning! Did you sleep well?": "small_talk",
    "What is the largest planet of the solar system?": "information",
    "When was the telephone invented?": "information",
    "Would it be better to move to another city for my career?": "advice",
    "Which laptop is worth buying for a student?": "advice",
    "Compose a haiku about autumn leaves.": "creative_writing",
    "I need lyrics for a love song.": "creative_writing",
    "Reserve a hotel room in Paris for next weekend.": "planning_task",
    "Pay my electricity bill from my checking account.": "planning_task",
    "I want to see a photo of your face.": "image_request",
    "Paint a mountain landscape for me.": "image_request",
    "Say something funny, I want to laugh.": "entertainment",
    "Quiz me on movies!": "entertainment",
}


@pytest.mark.parametrize(
    ("message", "intent"),
    [
        ("Hola!", "small_talk"),
        ("cuéntame un chiste", "entertainment"),
        ("me siento muy sola", "emotional_support"),
        ("*draws her sword* who goes there", "role_play"),
        ("Could you draw me a picture of a fox?", "image_request"),
        ("Please translate this for my aunt", "planning_task"),
        ("The sky was grey.", None),
    ],
)
def test_cues(message: str, intent: str | None) -> None:
    assert by_cue(message) == intent


@pytest.mark.parametrize(
    ("message", "intent"),
    [
        ("मुझे क्या करना चाहिए?", "advice"),
        ("yaar mujhe kya karna chahiye", "advice"),
        ("cuál es la capital de Perú", "information"),
        ("The sky was grey.", None),
    ],
)
def test_hints_speak_where_there_is_no_vector(message: str, intent: str | None) -> None:
    assert by_hint(message) == intent
    assert Classifier({}).labels([message], [None], [None]) == [intent or UNKNOWN]


def test_taxonomy_is_documented_and_complete() -> None:
    assert len(NAMES) == len(set(NAMES)) == 10
    assert NAMES[-1] == OTHER
    assert all(intent.meaning.endswith(".") and len(intent.prototypes) >= 10 for intent in TAXONOMY)


def test_prototypes_label_held_out_sentences() -> None:
    spec = EncoderSettings(backend="openvino", precision="fp32")
    encoder, space = load_encoder(spec), encoder_name(spec)
    classifier = Classifier.of({space: encoder})
    vectors = encoder.encode(list(HELD_OUT))
    labels = classifier.labels(list(HELD_OUT), [space] * len(HELD_OUT), list(vectors))
    right = sum(label == intent for label, intent in zip(labels, HELD_OUT.values(), strict=True))
    assert right / len(HELD_OUT) >= 0.85, list(zip(HELD_OUT, labels, strict=True))
    away = -classifier.spaces[space].prototypes.mean(axis=0)
    assert classifier.labels(["like nothing we know"], [space], [away / np.linalg.norm(away)]) == [OTHER]
    assert classifier.labels(["nothing to go by"], [None], [None]) == [UNKNOWN]
    assert classifier.labels([None], [space], [vectors[0]]) == [UNKNOWN]
