"""Phase II against the one-cluster rule of SemDeDup and NeMo Curator, and against comparing everything.

The rule: k-means; in each cluster, rows by falling distance to the centroid; a row goes when it is similar to any
earlier row of its cluster, removed or not. Phase II: a row visits several clusters (from cosine .99 on as many as the
triangle inequality asks for), a greedy cover, an exact cut.

Rows: embeddings of real chat (or made-up unit vectors), and beside them planted ones: pairs at cosine .99, .95 and .90,
and chains of five rows with .96 between neighbours, where the first and the last are not alike.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.chat import user_messages
from benchmarks.race import alternate, arguments, close, table
from infra.settings import DiversitySettings, EncoderSettings
from jobs.curation.diversity.candidates import PROVABLE
from jobs.curation.diversity.cover import (
    Fold,
    Graph,
    Ranking,
    Texts,
    Turns,
    close_pairs,
    close_pairs_among,
    tile_rows,
)
from jobs.curation.diversity.spaces import Centroids, train

Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Pairs = tuple[Ints, Ints, Floats]

RULES = DiversitySettings()
COSINES = (0.99, 0.95, 0.90)
GOAL = {
    "recall_99": 1.0, "recall_95": 0.995, "recall_90": 0.98, "uncovered": 0.0, "exact_size": True, "nested": True,
    "same_ids": True, "pairs_ratio_to_rule": 1.0,
}  # fmt: skip
_CHAIN, _LINK = 5, 0.96
_PROPORTIONS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.99)


def embeddings(data: Path, size: int, rng: np.random.Generator) -> tuple[Vectors, str]:
    """Unit vectors of as many messages, kept in the system's directory for temporary files; else made-up ones."""
    messages = user_messages(data)
    if not messages:
        topics = rng.normal(size=(max(2, size // 60), 24))
        mixed = topics[rng.integers(0, len(topics), size)] + 0.55 * rng.normal(size=(size, 24))
        return _unit(mixed @ (rng.normal(size=(24, 384)) / 5)), "made-up vectors (no chat logs at hand)"
    chosen = [messages[i] for i in rng.permutation(len(messages))[:size]]
    digest = hashlib.sha256("\0".join(chosen).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"flywheel-diversity-{digest}.npy"
    if not path.exists():
        from models.text.encoders import load_encoder

        np.save(path, load_encoder(EncoderSettings(precision="fp32")).encode(chosen))
    return np.load(path), "real chat"


def _unit(rows: npt.NDArray[np.floating]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _beside(rows: Vectors, cosine: float, rng: np.random.Generator) -> Vectors:
    """For each row another at that cosine."""
    noise = rng.normal(size=rows.shape)
    noise -= (noise * rows).sum(axis=1, keepdims=True) * rows
    return _unit(cosine * rows + np.sqrt(1 - cosine**2) * _unit(noise))


def planted(rows: Vectors, rng: np.random.Generator) -> tuple[Vectors, dict[float, Ints]]:
    """The rows and, behind them, planted ones; and the pairs (2, m) planted at each cosine."""
    count = len(rows) // 20
    parts, pairs, total = [rows], {}, len(rows)
    for cosine in COSINES:
        chosen = rng.choice(len(rows), size=count, replace=False)
        parts.append(_beside(rows[chosen], cosine + 1e-5, rng))
        pairs[cosine] = np.stack([chosen, total + np.arange(count)])
        total += count
    link = rows[rng.choice(len(rows), size=count // 4, replace=False)]
    for _ in range(_CHAIN):
        link = _beside(link, _LINK, rng)
        parts.append(link)
    return np.concatenate(parts), pairs


@dataclass(frozen=True)
class Found:
    """Close pairs, and the clusters that each row looked into, its home first."""

    pairs: Pairs
    clusters: Sequence[npt.NDArray[np.int32]]

    @property
    def probes(self) -> float:
        """Mean number of clusters looked into."""
        return float(np.mean([len(visited) for visited in self.clusters]))

    def reached(self, new: Ints, kept: Ints, both: bool) -> float:
        """Share of pairs that meet when the second of them was kept by an earlier day; both: it visits too."""
        met = [
            self.clusters[b][0] in self.clusters[a] or (both and self.clusters[a][0] in self.clusters[b])
            for a, b in zip(new.tolist(), kept.tolist(), strict=True)
        ]
        return float(np.mean(met))


def search(rows: Vectors, centroids: Centroids, threshold: float, memory: int = RULES.memory_bytes) -> Found:
    """Phase II's candidates in one process, cluster by cluster; tests hold Spark's to the same answer."""
    clusters = (
        centroids.reaching(rows, threshold)
        if threshold >= PROVABLE
        else list(centroids.probes(rows, RULES.probes))
    )
    home = np.array([visits[0] for visits in clusters])
    visitor = np.repeat(np.arange(len(rows)), [len(visits) - 1 for visits in clusters])
    visited = np.concatenate([visits[1:] for visits in clusters])
    tile = tile_rows(memory // 2, rows.shape[1])
    parts: list[Pairs] = []
    for cluster in range(len(centroids.vectors)):
        here, guests = np.flatnonzero(home == cluster), visitor[visited == cluster]
        parts += [(here[a], here[b], value) for a, b, value in close_pairs_among(rows[here], threshold, tile)]
        parts += [
            (guests[a], here[b], value)
            for a, b, value in close_pairs(rows[guests], rows[here], threshold, tile)
        ]
    return Found(_together(parts), clusters)


def oracle(rows: Vectors, threshold: float) -> Pairs:
    """All pairs."""
    return _together(list(close_pairs_among(rows, threshold, tile_rows(RULES.memory_bytes, rows.shape[1]))))


def _together(parts: list[Pairs]) -> Pairs:
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    first, second, similarity = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return first, second, similarity


def codes(pairs: Pairs, rows: int) -> Ints:
    """One number a pair, rising."""
    return np.unique(np.minimum(pairs[0], pairs[1]) * rows + np.maximum(pairs[0], pairs[1]))


def one_cluster_rule(rows: Vectors, centroids: Centroids, threshold: float) -> npt.NDArray[np.bool_]:
    """Which rows SemDeDup and NeMo Curator keep."""
    home = centroids.probes(rows, 1)[:, 0]
    distance = 1 - (rows * centroids.vectors[home]).sum(axis=1)
    kept = np.ones(len(rows), dtype=bool)
    for cluster in range(len(centroids.vectors)):
        here = np.flatnonzero(home == cluster)
        here = here[np.argsort(-distance[here], kind="stable")]
        if len(here) > 1:
            kept[here] = similar_to_earlier(rows[here]) < threshold
    return kept


def similar_to_earlier(rows: Vectors) -> npt.NDArray[np.float32]:
    """Largest cosine to any earlier row, as both peers compute it: whole matrix, upper triangle, maximum."""
    return np.asarray(np.triu(rows @ rows.T, k=1).max(axis=0))


def ranked(rows: int, pairs: Pairs, hash_rank: Ints, quality: Floats, p: float, order: Ints) -> Ranking:
    """Phase II's priority order and cut of one day, its turns given in some order."""
    texts = Texts(np.zeros(rows, dtype=np.int64), hash_rank, np.arange(rows))
    turns = Turns([f"{row:09d}" for row in order], order, quality[order])
    return Fold(texts, Graph(texts, *pairs), 0, p).rank(0, turns)


def uncovered(removed: Ints, kept: Ints, rows: Vectors, threshold: float) -> float:
    """Share of removed rows without a kept row within the threshold."""
    if not len(removed):
        return 0.0
    tile = tile_rows(RULES.memory_bytes, rows.shape[1])
    near = {
        int(row)
        for a, _, _ in close_pairs(rows[removed], rows[kept], threshold, tile)
        for row in np.unique(a)
    }
    return 1 - len(near) / len(removed)


def main() -> bool:
    """Race both on the same rows and centroids."""
    args = arguments(__doc__, 20_000)
    rng = np.random.default_rng(args.seed)
    base, source = embeddings(args.data, args.size, rng)
    rows, pairs = planted(base, rng)
    n = len(rows)
    centroids = train(rows, n // RULES.rows_per_cluster, RULES.seed)
    print(f"{n:,} rows of {rows.shape[1]}: {source} and planted; {len(centroids.vectors)} clusters\n")
    lines, figures, met = [], {}, {}
    for cosine in COSINES:
        truth = oracle(rows, cosine)
        found = search(rows, centroids, cosine)
        kept = np.flatnonzero(one_cluster_rule(rows, centroids, cosine))
        all_true, all_found = codes(truth, n), codes(found.pairs, n)
        asked = codes((pairs[cosine][0], pairs[cosine][1], np.empty(0)), n)
        home = centroids.probes(rows, 1)[:, 0]
        rule_found = all_true[home[all_true // n] == home[all_true % n]]
        recall, rule_recall = (np.isin(asked, hits).mean() for hits in (all_found, rule_found))
        daily = found.reached(pairs[cosine][1], pairs[cosine][0], both=cosine >= PROVABLE)
        exhaustive, rule_every = (np.isin(all_true, hits).mean() for hits in (all_found, rule_found))
        rank = ranked(n, found.pairs, rng.permutation(n), rng.random(n), RULES.keep_proportion, np.arange(n))
        mine = uncovered(np.flatnonzero(~rank.kept & rank.near), np.flatnonzero(rank.kept), rows, cosine)
        theirs = uncovered(np.setdiff1d(np.arange(n), kept), kept, rows, cosine)
        name = f"{cosine * 100:.0f}"
        figures[name] = {
            "oracle_pairs": len(all_true), "recall_planted": recall, "recall_all": exhaustive,
            "recall_over_days": daily,
            "probes": found.probes, "uncovered": mine, "rule_recall_planted": rule_recall,
            "rule_recall_all": rule_every, "rule_uncovered": theirs,
        }  # fmt: skip
        goal = GOAL[f"recall_{name}"]
        met[f"recall_{name}"] = bool(min(recall, exhaustive, daily) >= goal)
        met["uncovered"] = met.get("uncovered", True) and mine == GOAL["uncovered"]
        shares = (recall, exhaustive, daily, mine, rule_recall, rule_every, theirs)
        lines.append(
            (f".{name}", f"{len(all_true):,}", f"{found.probes:.1f}", *(f"{share:.4f}" for share in shares))
        )
    head = (
        "cosine",
        "pairs of the oracle",
        "probes",
        "recall, planted",
        "recall, all",
        "recall, over days",
        "uncovered",
    )
    print(table((*head, "rule: recall, planted", "rule: recall, all", "rule: uncovered"), lines))
    answers = invariants(rows, centroids, rng)
    rate = speed(rows, rng)
    print(table(("side", "pairs/s/core"), [(name, f"{value / 1e6:.0f} M") for name, value in rate.items()]))
    ratio = rate["Phase II"] / rate["rule"]
    met |= answers | {"pairs_ratio_to_rule": ratio >= 1.0}
    return close(
        "diversity",
        {"by_cosine": figures, **answers, "pairs_ratio_to_rule": round(ratio, 2),
         "pairs_per_cpu_s": {name: round(value) for name, value in rate.items()}},
        GOAL, met,
    )  # fmt: skip


def invariants(rows: Vectors, centroids: Centroids, rng: np.random.Generator) -> dict[str, bool]:
    """Exact sizes, kept sets that nest in p, and the same ids for another order, other tiles and a fresh search."""
    n, hash_rank, quality = len(rows), rng.permutation(len(rows)), rng.random(len(rows))
    pairs = search(rows, centroids, RULES.similarity).pairs
    by_p = {
        p: set(np.flatnonzero(ranked(n, pairs, hash_rank, quality, p, np.arange(n)).kept))
        for p in _PROPORTIONS
    }
    shuffle = rng.permutation(n)
    searched = search(rows[shuffle], centroids, RULES.similarity, memory=16_000_000).pairs
    searched = (shuffle[searched[0]], shuffle[searched[1]], searched[2])
    reordered = ranked(n, searched, hash_rank, quality, RULES.keep_proportion, shuffle)
    return {
        "exact_size": all(len(kept) == round(p * n) for p, kept in by_p.items()),
        "nested": all(by_p[a] <= by_p[b] for a, b in pairwise(_PROPORTIONS)),
        "same_ids": set(shuffle[reordered.kept]) == by_p[RULES.keep_proportion],
    }


def speed(rows: Vectors, rng: np.random.Generator) -> dict[str, float]:
    """Pairs a CPU second inside one cluster of 8,000 rows, both sides deciding them exactly."""
    some = rows[np.sort(rng.choice(len(rows), size=min(8_000, len(rows)), replace=False))]
    tile = tile_rows(RULES.memory_bytes // 2, some.shape[1])

    def phase_two() -> int:
        return sum(len(value) for *_, value in close_pairs_among(some, RULES.similarity, tile))

    def rule() -> int:
        return int((similar_to_earlier(some) >= RULES.similarity).sum())

    sides: dict[str, Callable[[], int]] = {"Phase II": partial(phase_two), "rule": partial(rule)}
    seconds, _ = alternate(sides, rounds=5)
    return {name: len(some) * (len(some) - 1) / 2 / took for name, took in seconds.items()}


if __name__ == "__main__":
    sys.exit(not main())
