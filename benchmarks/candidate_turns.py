"""Candidate turns for races of samplers: real chat logs described by Table 1's dimensions, or made-up ones."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from infra.settings import SamplingSettings
from jobs.curation.diversity.quality import prompt_quality
from jobs.curation.sampling.attributes import DIMENSIONS, depth_labels
from jobs.curation.sampling.constraints import NONE
from jobs.curation.sampling.difficulty import text_band
from models.text.jtbd.classifier import by_cue

COLUMNS = ("turn_id", "conversation_id", *DIMENSIONS, "quality")
_RULES = SamplingSettings()


def real(data: Path) -> pa.Table | None:
    """The turns of `data`/chatlogs/*.jsonl.gz, or None without them. Jobs to be done are those that cue words tell."""
    rows = [row for path in sorted((data / "chatlogs").glob("*.jsonl.gz")) for row in _turns_of(path)]
    return pa.Table.from_pylist(rows).select(COLUMNS) if rows else None


def _turns_of(path: Path) -> Iterator[dict[str, Any]]:
    depths = depth_labels(_RULES.depth_bands)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            talk = json.loads(line)
            before, index, messages = "", 0, talk["messages"]
            for message, answer in pairwise(messages):
                if (message["role"], answer["role"]) == ("user", "character") and message["content"]:
                    index += 1
                    quality = prompt_quality(message["content"], answer["content"], before)
                    yield {
                        "turn_id": f"{talk['conversation_id']}.{index}",
                        "conversation_id": talk["conversation_id"],
                        "first_turn": "first" if index == 1 else "later",
                        "character": (talk.get("character") or {}).get("id") or NONE,
                        "locale_language": talk["language"] or "und",
                        "jtbd": by_cue(message["content"]) or "unknown",
                        "depth_band": depths[bisect_left(_RULES.depth_bands, index)],
                        "difficulty_band": text_band(message["content"], _RULES.difficulty_bands),
                        "quality_band": _quality_band(np.array([quality]))[0],
                        "quality": quality,
                    }
                before = message["content"] if message["role"] == "character" else before


def made_up(rng: np.random.Generator, rows: int) -> pa.Table:
    """1,000 characters and 70 languages by Zipf, conversations of 1.3 turns on average, dimensions independent."""
    talk = np.sort(rng.integers(0, max(1, rows * 2 // 3), rows))
    begins = np.append(True, talk[1:] != talk[:-1]) & (rng.random(rows) < 0.5)
    quality = rng.random(rows).round(4)
    columns = {
        "turn_id": [f"t{row:08}" for row in range(rows)],
        "conversation_id": np.char.add("k", talk.astype(str)),
        "first_turn": np.where(begins, "first", "later"),
        "character": np.where(rng.random(rows) < 0.05, NONE, _zipf(rng, "ch", 1_000, 1.0, rows)),
        "locale_language": _zipf(rng, "l", 70, 1.5, rows),
        "jtbd": _zipf(rng, "j", 11, 1.0, rows),
        "depth_band": rng.choice(["1", "2-5", "6-20", "21+"], rows, p=[0.2, 0.4, 0.3, 0.1]),
        "difficulty_band": rng.choice(["easy", "medium", "hard"], rows),
        "quality_band": _quality_band(quality),
        "quality": quality,
    }
    return pa.table(columns).select(COLUMNS)


def resized(table: pa.Table, rng: np.random.Generator, rows: int) -> pa.Table:
    """That many rows with the table's distributions: whole conversations drawn, again and again if it takes more."""
    _, talk, sizes = np.unique(
        table.column("conversation_id").to_numpy(zero_copy_only=False),
        return_inverse=True,
        return_counts=True,
    )
    order, starts = np.argsort(talk, kind="stable"), np.append(0, np.cumsum(sizes))
    passes = -(-rows // table.num_rows)
    drawn = np.concatenate([rng.permutation(len(sizes)) for _ in range(passes)])
    drawn = drawn[: int(np.searchsorted(np.cumsum(sizes[drawn]), rows)) + 1]
    places = np.concatenate([order[starts[place] : starts[place + 1]] for place in drawn])[:rows]
    copy = np.repeat(np.arange(len(drawn)), sizes[drawn])[:rows]
    sample = table.take(pa.array(places))
    for name in ("turn_id", "conversation_id"):
        ids = [f"{value}#{n}" for value, n in zip(sample.column(name).to_pylist(), copy, strict=True)]
        sample = sample.set_column(sample.schema.get_field_index(name), name, pa.array(ids))
    return sample


def _zipf(
    rng: np.random.Generator, prefix: str, levels: int, power: float, rows: int
) -> npt.NDArray[np.str_]:
    shares = 1 / np.arange(1, levels + 1) ** power
    names = np.array([f"{prefix}{level:03}" for level in range(levels)])
    return names[rng.choice(levels, rows, p=shares / shares.sum())]


def _quality_band(quality: npt.NDArray[np.float64]) -> npt.NDArray[np.str_]:
    low, high = _RULES.quality_bands
    return np.where(quality < low, "low", np.where(quality < high, "middle", "high"))
