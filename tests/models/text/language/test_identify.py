"""Language identification: the interface, the scripts, Romanised Hindi, and measured accuracy on real data."""

import ast
import csv
import gzip
import json
import math
import re
import time
from pathlib import Path

import pytest

from models.text.language import Language, identify
from models.text.language.identify import _without_noise
from models.text.language.romanised_hindi import transliterate
from models.text.language.vocabulary import readings


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Hello, how are you doing today?", "en"),
        ("¿Qué tal estás? Hoy he comido muy bien con mi familia.", "es"),
        ("नमस्ते, आप कैसे हैं?", "hi"),
        ("aap kaise ho, mujhe bahut achha laga", "hi-Latn"),
        ("yaar mera phone kharab ho gaya hai", "hi-Latn"),
        ("Ich habe heute keine Zeit, tut mir leid.", "de"),
        ("Quanto costa questo libro, per favore?", "it"),
        ("Je ne sais pas où est la gare.", "fr"),
        ("你今天过得怎么样", "zh"),
        ("HELLO HOW ARE YOU", "en"),
        ("ok thanks", "en"),
        ("Me and Ha ha and he", "en"),
        ("alarm snooze kare", "hi-Latn"),
        ("Jag heter Anna och bor i Sverige", "sv"),
        ("sdfkjh sdkjfh", "und"),
    ],
)
def test_known_languages(text: str, tag: str) -> None:
    assert identify([text])[0].tag == tag


@pytest.mark.parametrize("text", ["", " ", "123 456", ":-)", "https://example.org/x", "\n", None])
def test_nothing_to_read_is_undetermined(text: str | None) -> None:
    assert identify([text]) == [Language("und", 0.0)]


@pytest.mark.parametrize(
    "unit", ["a", "a1", "@", "a@", "aab", "#a", "<A", "www.", "http://", "aA", "é", "\u0915"]
)
def test_time_grows_with_the_length_of_a_text_without_blanks(unit: str) -> None:
    """Four times the text takes about four times as long; it would be sixteen if each place read on to the end."""
    seconds = []
    for size in (20_000, 80_000):
        text = unit * (size // len(unit))
        best = math.inf
        for _ in range(3):
            began = time.process_time()
            identify([text])
            best = min(best, time.process_time() - began)
        seconds.append(best)
    assert seconds[1] < 9 * seconds[0] + 0.05


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("write to ann@example.org now", "write to   now"), ("a@", "a@"), ("@a.b@", " .b@"), ("a@@", " "),
        ("@ann hi", "  hi"), ("x@y@z", " "), ("see http://x.y/a@b ok", "see   ok"), ("<EMAIL_ADDRESS>, hi", " , hi"),
        ("@@@", " "), ("@@@a", " "), ("a www.x.y", "a  "), ("#tag,foo@bar", " "),
    ],
)  # fmt: skip
def test_addresses_are_noise(text: str, rest: str) -> None:
    slow = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+|<[A-Z_]+>")
    assert _without_noise(text) == slow.sub(" ", text)
    assert _without_noise(text) == rest


def test_order_and_repetition_do_not_matter() -> None:
    texts = ["hola, ¿cómo estás amigo?", None, "where are you from?", "hola, ¿cómo estás amigo?"]
    forward = identify(texts)
    assert identify(texts[::-1]) == forward[::-1]
    assert [language.tag for language in forward] == ["es", "und", "en", "es"]


def test_scores_are_probabilities() -> None:
    for language in identify(["hi", "kya", "नमस्ते", "I don't know", "漢字かな", "x" * 50_000]):
        assert 0.0 <= language.score <= 1.0


def test_transliteration_drops_the_final_schwa() -> None:
    assert transliterate("नमस्ते") == "namaste"
    assert transliterate("बात") == "bat"


def test_english_is_not_hindi() -> None:
    for text in ("who is he? the main door", "is there traffic on the 22", "to me or to us"):
        assert identify([text])[0].tag == "en"


def _share(texts: list[str], tag: str) -> float:
    return sum(language.tag == tag for language in identify(texts)) / len(texts)


@pytest.mark.real_data
def test_romanised_hindi_on_real_text(shared_data: Path) -> None:
    """Recall on tweets and assistant requests, false alarms on English chat (floors under the measured)."""
    sentences: list[list[list[str]]] = [[]]
    with gzip.open(shared_data / "hing_lid" / "test.txt.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                sentences[-1].append(line.split())
            elif sentences[-1]:
                sentences.append([])
    tweets = [
        " ".join(word for word, *_ in sentence)
        for sentence in sentences
        if len(sentence) > 2 and 2 * sum(tags[-1] == "HI" for tags in sentence) >= len(sentence)
    ][:2000]
    with gzip.open(shared_data / "hinglish_top" / "validation.tsv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    with gzip.open(shared_data / "hinglish_norm" / "hinglishNorm.json.gz", "rt", encoding="utf-8") as file:
        chat = [
            row["inputText"]
            for row in json.load(file)
            if len(row["inputText"].split()) > 3 and set(ast.literal_eval(row["tags"])) == {"Hindi"}
        ]
    measured = {
        "tweets": _share(tweets, "hi-Latn"),
        "requests": _share([row[1] for row in rows], "hi-Latn"),
        "chat": _share(chat, "hi-Latn"),
        "false alarms on English requests": _share([row[0] for row in rows], "hi-Latn"),
    }
    print(measured)
    assert measured["tweets"] >= 0.95
    assert measured["requests"] >= 0.93
    assert measured["chat"] >= 0.93
    assert measured["false alarms on English requests"] <= 0.01


def test_the_id_of_a_machine_is_no_unknown_word() -> None:
    """A UUID in an English sentence says nothing about its language; words that nobody knows still do."""
    text = "the request 7c9e6679-7425-40de-944b-e07fc1f90ae7 failed again, can you look it up?"
    assert readings([text], ["en"])[0].is_read
    assert not readings(["the qxwzv bnnmk ffrtl of qqpld zzrtn is down"], ["en"])[0].is_read
