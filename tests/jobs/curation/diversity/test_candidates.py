"""The distributed search finds what comparing everything finds, within its memory, and no pair of neighbours twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.curation.diversity import candidates
from jobs.curation.diversity.candidates import Search
from jobs.curation.diversity.spaces import train

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS, HORIZON = 400, 2


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize(("similarity", "probes"), [(0.95, 4), (0.99, 1)])
def test_clusters_find_what_all_pairs_find(spark: SparkSession, similarity: float, probes: int) -> None:
    """Half of the rows in one cluster; a third of all kept by earlier runs; several blocks a cluster."""
    rng = np.random.default_rng(2)
    spread = np.sqrt(1 - similarity) * 0.3
    roots = _unit(rng.normal(size=(ROWS // 5, 16)))
    roots[: ROWS // 10] = _unit(roots[:1] + 0.15 * rng.normal(size=(ROWS // 10, 16)))
    vectors = _unit(roots[np.arange(ROWS) % len(roots)] + spread * rng.normal(size=(ROWS, 16)))
    day, decided = rng.integers(0, 6, ROWS), rng.random(ROWS) < 0.3
    rows = [
        (i, int(day[i]), i, bool(decided[i]), "space", "train", "", vectors[i].tolist()) for i in range(ROWS)
    ]
    schema = "text long, day int, hash_rank long, decided boolean, space string, split string, prompt_text string, "
    texts = spark.createDataFrame(rows, schema + "embedding array<float>").repartition(3)
    # 64 rows a block: the smallest there is.
    search = Search(similarity, 0.9, HORIZON, 16_000, probes)
    placed = candidates.place(texts, {"space": train(vectors, 6, 1)}, search).persist()
    found = Counter(
        (min(row.first, row.second), max(row.first, row.second))
        for row in candidates.semantic_pairs(placed, search).collect()
    )
    every = np.round(vectors.astype(np.float64) @ vectors.astype(np.float64).T, 6)
    expected = {
        (i, j)
        for i in range(ROWS) for j in range(i + 1, ROWS)
        if every[i, j] >= similarity and abs(day[i] - day[j]) <= HORIZON and not (decided[i] and decided[j])
    }  # fmt: skip
    assert len(expected) > 100
    assert set(found) <= expected
    assert len(found) >= (len(expected) if search.provable else 0.98 * len(expected))
    home = {row.text: row.clusters[0] for row in placed.select("text", "clusters").collect()}
    assert all(n == 1 for (i, j), n in found.items() if home[i] == home[j])
    assert max(found.values()) <= 2


def test_memory_stays_within_the_budget_when_everything_is_close() -> None:
    """The worst cell there is: two full blocks of a family, every pair close, as Arrow hands them over."""
    program = (
        "import resource, numpy as np, pyarrow as pa\n"
        "from jobs.curation.diversity import candidates\n"
        "search = candidates.Search(.95, .9, 9, 64_000_000, 1)\n"
        "def cell(rows):\n"
        "    x = np.random.default_rng(0).normal(size=(2 * rows, 384)).astype('f4'); x = x[0] + .01 * x\n"
        "    x /= np.linalg.norm(x, axis=1, keepdims=True)\n"
        "    n = np.arange(2 * rows)\n"
        "    block = (n // rows).astype('i4')\n"
        "    return pa.table({'text': n, 'day': (n * 0).astype('i4'), 'hash_rank': n, 'block': block,\n"
        "        'low': pa.array(block * 0), 'high': pa.array(block * 0 + 1), 'vector': [r.tobytes() for r in x]})\n"
        "compare = candidates._neighbours(search)\n"
        "compare(cell(16))\n"
        "table = cell(search.block_rows)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "pairs = compare(table).num_rows\n"
        "print(pairs, search.block_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    pairs, block, grown_kib = map(int, done.stdout.split())
    assert pairs == block * block
    assert grown_kib * 1024 <= 1.1 * 64_000_000


def test_wordings_meet_across_batches_and_partitions(spark: SparkSession) -> None:
    said = ["how tall is the lighthouse", "how tall is the lighthose", "tell me about the sea and its fish"]
    rows = [
        (10 * i + copy, day, decided, split, 100 + i, f"Luna\n\n{text}")
        for i, text in enumerate(said)
        for copy, day, decided, split in (
            (0, 0, True, "train"),
            (1, 1, False, "train"),
            (2, 1, False, "evaluation"),
        )
    ]
    schema = "text long, day int, decided boolean, split string, twin long, prompt_text string"
    search = Search(0.95, 0.85, HORIZON, 256_000_000, 8)
    for partitions in (1, 4):
        texts = spark.createDataFrame(rows, schema).repartition(partitions)
        found = candidates.lexical_pairs(texts, len(rows), search).collect()
        # Twins are one text, kept texts are settled, and splits are worlds apart.
        assert {(row.first, row.second) for row in found} == {(0, 11), (1, 10), (1, 11), (2, 12)}
        assert len({row.similarity for row in found}) == 1
