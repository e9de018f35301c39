"""What is known when a response is served: from redacted text that passed, and from nothing that came after."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from jobs.signals import FEATURES
from jobs.signals.features import asks, describe
from models.text.jtbd.classifier import Classifier
from models.text.sentiment import sentiment

PASSED = (
    "turn_id string, conversation_id string, turn_index int, language string, redacted_user_message string, "
    "redacted_response string, ds date"
)
RANKED = "turn_id string, text_hash string, recipe string, encoder string"
EMBEDDINGS = "text_hash string, recipe string, encoder string, embedding array<float>"


def test_a_turn_by_hand(spark: SparkSession) -> None:
    joke = "tell me a joke, you are wonderful!"
    turns = [
        # Superseded by the next: not ranked.
        ("t0", "c", 1, "en", joke, "No.", None),
        ("t1", "c", 1, "en", joke, "Which kind do you like? 😊", None),
        ("t2", "c", 2, "es", "dibújame un gato", "Aquí está.", None),
        ("t3", "d", 0, "en", None, "Hello there", None),
    ]
    ranked = [("t1", "h1", "r", "e"), ("t2", "h2", "r", None)]
    found = describe(
        spark.createDataFrame(turns, PASSED),
        spark.createDataFrame(ranked, RANKED),
        spark.createDataFrame([("h1", "r", "e", [1.0, 0.0])], EMBEDDINGS),
        Classifier({}),
    )
    rows: dict[str, tuple[Any, ...]] = {row["turn_id"]: tuple(row)[1:5] for row in found.collect()}
    assert rows["t1"] == ("entertainment", sentiment(joke, "en"), 6, True)
    assert rows["t0"][:2] == rows["t1"][:2]
    assert rows["t2"] == ("image_request", None, 2, False)  # the lexicon knows no Spanish
    assert rows["t3"] == ("(unjudged)", None, 2, False)


def test_nothing_of_what_came_after_is_read() -> None:
    assert not any(reach.after or reach.whole or reach.up_to for reach in FEATURES.reads.values())
    assert not {"traffic.events", "traffic.turns", "signals.labels"} & set(FEATURES.reads)


def test_what_asks() -> None:
    assert [asks(text) for text in ("Why?", "你好吗？", "So?! 😊**", "Why? Because.", "", "?")] == [
        True, True, True, False, False, True,
    ]  # fmt: skip


def test_sentiment_only_of_languages_that_the_lexicon_knows() -> None:
    good, bad = sentiment("I love this, thank you!", "en"), sentiment("This is awful and boring.", "en")
    assert good is not None
    assert bad is not None
    assert bad < -0.05 < 0.05 < good
    assert sentiment("me encanta", "es") is None
    assert sentiment("good " * 100_000, "en") == sentiment("good " * 400, "en")  # a long text costs no more
