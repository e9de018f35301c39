"""User messages to race on: real chat logs where they are at hand, else made-up sentences of Zipf-distributed words."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Exchange:
    """A user's message, what the character answered, and the language that the log names."""

    message: str
    response: str
    language: str


def exchanges(data: Path) -> Iterator[Exchange]:
    """All exchanges of `data`/chatlogs/*.jsonl.gz in the order of the files; none when there are no files."""
    for path in sorted((data / "chatlogs").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                talk = json.loads(line)
                turns = [(turn["role"], turn["content"]) for turn in talk["messages"]] + [("", "")]
                for (role, message), (answered_by, response) in pairwise(turns):
                    if role == "user" and message:
                        answer = response if answered_by == "character" else ""
                        yield Exchange(message, answer, talk["language"])


def user_messages(data: Path) -> list[str]:
    """Distinct user messages in the order of the files; empty when there are none."""
    return list(dict.fromkeys(exchange.message for exchange in exchanges(data)))


def held_out(messages: list[str]) -> list[str]:
    """The half, by checksum, on which nothing was tuned; parameters were chosen on the other half."""
    return [text for text in messages if zlib.crc32(text.encode()) % 2]


def made_up(rng: np.random.Generator, count: int) -> list[str]:
    """Sentences of 3 to 24 words from a vocabulary of 8,000 made-up ones, the commonest most often."""
    letters = np.array(list("aaabcdeeeefghiiijklmnnooopqrrsstttuuvwxyz"))
    words = ["".join(rng.choice(letters, size=rng.integers(2, 10))) for _ in range(8_000)]
    shares = 1 / np.arange(1, len(words) + 1)
    shares /= shares.sum()
    drawn = [rng.choice(len(words), size=rng.integers(3, 25), p=shares) for _ in range(count)]
    return [" ".join(words[place] for place in chosen) for chosen in drawn]
