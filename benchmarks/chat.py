"""User messages to race on: real chat logs where they are at hand, else made-up sentences of Zipf-distributed words."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import numpy as np


def user_messages(data: Path) -> list[str]:
    """Distinct user messages of `data`/chatlogs/*.jsonl.gz in the order of the files; empty when there are none."""
    found: dict[str, None] = {}
    for path in sorted((data / "chatlogs").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                for message in json.loads(line)["messages"]:
                    if message["role"] == "user" and message["content"]:
                        found[message["content"]] = None
    return list(found)


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
    return [" ".join(words[place] for place in one) for one in drawn]
