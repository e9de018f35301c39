"""Readers of the public sets with human labels that `benchmarks.labels` measures on, and how each is cut in two.

Every set is cut by a hash of its conversation (of its text, where a row stands alone): the tuning half is for choosing,
the held-out half for reporting.
"""

from __future__ import annotations

import ast
import csv
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

RATINGS = {"Poor": 1, "Not Good": 2, "Passable": 3, "Good": 4, "Excellent": 5}
USS = ("MWOZ", "SGD", "ReDial")
TOPICAL = ("test_freq", "valid_freq", "valid_rare")


@dataclass(frozen=True)
class RatedTurn:
    """A served turn and what a human thought of it."""

    conversation: str
    before: str
    message: str
    response: str
    rating: float
    ratings: tuple[int, ...] = ()
    """Each annotator's own, where there are several."""

    @property
    def held_out(self) -> bool:
        """Whether it is in the half that is reported on."""
        return held_out(self.conversation)


@dataclass(frozen=True)
class Tongue:
    """Texts of one set in one language."""

    name: str
    tag: str
    texts: tuple[str, ...]


def held_out(key: str) -> bool:
    """The half of a conversation, by hash: True = reported on, False = tuned on."""
    return hashlib.sha256(key.encode()).digest()[0] % 2 == 1


def topical_chat(data: Path) -> list[RatedTurn]:
    """Topical-Chat: each message with its partner's rating, 1 to 5."""
    turns = []
    for part in TOPICAL:
        for row in _json_lines(data / "chatlogs" / f"topical_chat_{part}.jsonl.gz"):
            messages = row["messages"]
            for i in range(1, len(messages)):
                rating = RATINGS.get(messages[i].get("turn_rating"))
                if rating is not None:
                    texts = _texts(messages, i)
                    turns.append(RatedTurn(row["conversation_id"], *texts, rating))
    return turns


def satisfaction(data: Path, part: str) -> list[RatedTurn]:
    """User Satisfaction Simulation: each system reply and how satisfied annotators took the user to be after it."""
    turns: list[RatedTurn] = []
    conversation, recent = 0, [("", ""), ("", ""), ("", "")]
    with _open(data / "uss_satisfaction" / f"{part}.txt.gz") as lines:
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            if len(cells) < 2:
                conversation += 1
                recent = [("", ""), ("", ""), ("", "")]
                continue
            if cells[1] == "OVERALL":
                continue
            answered = recent[-1][0] == "SYSTEM" and recent[-2][0] == "USER"
            if cells[0] == "USER" and answered and len(cells) > 3 and cells[3]:
                ratings = tuple(int(value) for value in cells[3].split(","))
                before, message, response = (text for _, text in recent[-3:])
                turns.append(
                    RatedTurn(
                        f"{part}{conversation}",
                        before,
                        message,
                        response,
                        sum(ratings) / len(ratings),
                        ratings,
                    )
                )
            recent.append((cells[0], cells[1]))
    return turns


def thumbs(data: Path) -> list[RatedTurn]:
    """ConvAI2 volunteers: bot replies with a real user's thumb, 1 up and 0 down; a user counts as the conversation."""
    turns = []
    for row in _json_lines(data / "chatlogs" / "convai2_volunteers.jsonl.gz"):
        messages = row["messages"]
        for i in range(1, len(messages)):
            thumbed = messages[i].get("thumb") is not None
            if thumbed and messages[i]["role"] == "character" and messages[i - 1]["role"] == "user":
                turns.append(
                    RatedTurn(
                        row["user_id"] or row["conversation_id"], *_texts(messages, i), messages[i]["thumb"]
                    )
                )
    return turns


def clinc150(data: Path) -> dict[str, list[tuple[str, str]]]:
    """Part (`train`, `val`, `test`, `oos_test`, ...) to (text, intent); out of scope is `oos`."""
    with _open(data / "clinc150" / "data_full.json.gz") as file:
        return {part: [(text, intent) for text, intent in rows] for part, rows in json.load(file).items()}


def clinc150_domains(data: Path) -> dict[str, str]:
    """Intent to domain."""
    domains = json.loads((data / "clinc150" / "domains.json").read_text(encoding="utf-8"))
    return {intent: domain for domain, intents in domains.items() for intent in intents}


def banking77(data: Path) -> list[tuple[str, str]]:
    """(text, intent)."""
    with _open(data / "banking77" / "train.csv.gz") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def tongues(data: Path) -> list[Tongue]:
    """Every set whose language is known, one `Tongue` a set and language; texts are distinct and hold a letter."""
    by_language: dict[tuple[str, str], list[str]] = {}
    for name, tag, texts in (*_hinglish(data), *_others(data)):
        by_language.setdefault((name, tag), []).extend(texts)
    return [
        Tongue(name, tag, tuple(dict.fromkeys(t for t in texts if any(map(str.isalpha, t)))))
        for (name, tag), texts in by_language.items()
    ]


def _hinglish(data: Path) -> Iterator[tuple[str, str, list[str]]]:
    with _open(data / "hinglish_top" / "validation.tsv.gz") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    yield "hinglish_top", "hi-Latn", [row[1] for row in rows]
    yield "hinglish_top", "en", [row[0] for row in rows]
    for side, tag in (("hindi", "hi-Latn"), ("english", "en")):
        with _open(data / "codemixed_dstc2" / f"{side}-tst.txt.gz") as lines:
            # The system's replies: users' answers ("chinese food", "yes") are often the same in both languages.
            replies = [
                cells[1] for cells in (line.rstrip("\n").split("\t") for line in lines) if len(cells) > 1
            ]
        yield (
            "codemixed_dstc2",
            tag,
            [reply for reply in replies if not reply.startswith("api_call") and "R_" not in reply],
        )
    with _open(data / "hing_lid" / "test.txt.gz") as file:
        tweets = [
            [line.split("\t") for line in block.splitlines() if "\t" in line]
            for block in file.read().split("\n\n")
        ]
    half_hindi = [t for t in tweets if len(t) > 2 and 2 * sum(tag == "HI" for _, tag in t) >= len(t)]
    yield "hing_lid", "hi-Latn", [" ".join(word for word, _ in tweet) for tweet in half_hindi]
    with _open(data / "hinglish_norm" / "hinglishNorm.json.gz") as file:
        chat = [(row["inputText"], set(ast.literal_eval(row["tags"]))) for row in json.load(file)]
    yield "hinglish_norm", "hi-Latn", [text for text, tags in chat if tags == {"Hindi"}]


def _others(data: Path) -> Iterator[tuple[str, str, list[str]]]:
    for path in sorted((data / "chatlogs").glob("*.jsonl.gz")):
        for row in _json_lines(path):
            yield (
                path.name.rsplit("_", 1)[0].removesuffix("_valid"),
                row["language"],
                [m["content"] for m in row["messages"]],
            )
    for tag, language in (("es", "spanish"), ("fr", "french"), ("de", "german")):
        with _open(data / "multilingual_hatecheck" / f"hatecheck_cases_final_{language}.csv.gz") as file:
            yield "multilingual_hatecheck", tag, [row["test_case"] for row in csv.DictReader(file)]
    for tag in ("en", "es", "fr"):
        yield (
            "m_ifeval",
            tag,
            [row["prompt"] for row in _json_lines(data / "m_ifeval" / f"{tag}_input_data.jsonl.gz")],
        )
    for tag in ("en", "es"):
        with _open(data / "mgsm" / f"mgsm_{tag}.tsv.gz") as lines:
            yield "mgsm", tag, [line.split("\t")[0] for line in lines]


def _texts(messages: list[Mapping[str, Any]], i: int) -> tuple[str, str, str]:
    return messages[i - 2]["content"] if i > 1 else "", messages[i - 1]["content"], messages[i]["content"]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as lines:
        yield from (json.loads(line) for line in lines)


def _open(path: Path) -> IO[str]:
    return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8", newline=""))
