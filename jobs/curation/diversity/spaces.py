"""Artifacts of a lake's embedding spaces: the pinned backend and precision, and trained centroids by version."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt

from infra.settings import DiversitySettings, EncoderSettings
from infra.storage import Folder, folder
from jobs.curation.diversity.cover import cosine
from models.text.encoders import encoder_name, resolved

Vectors = npt.NDArray[np.float32]

_PRECISION = "encoders/precision.json"
_PASSES = 10
_POINTS_A_CENTROID = 256
_LEAST_POINTS_A_CENTROID = 40
_ROWS_AT_ONCE = 4096
# More than what float32 loses on a dot product, or on a distance that is not near 0.
_MARGIN = 1e-3


def pinned(rules: DiversitySettings, artifacts: str | Folder) -> DiversitySettings:
    """The settings with every `auto` backend and precision replaced by this lake's first choice.

    Vectors of different backends are different spaces; a lake that changed machines would embed everything again.
    """
    root = folder(artifacts)
    stored: dict[str, str] = json.loads(root.read_if_there(_PRECISION) or b"{}")
    chosen = dict(stored)
    specs = []
    for spec in rules.encoders:
        if "auto" in (spec.backend, spec.precision):
            if _pin(spec) not in chosen:
                answer = resolved(spec)
                chosen[_pin(spec)] = f"{answer.backend}/{answer.precision}"
            # Lakes from the time when torch was the only backend stored the precision alone.
            backend, _, precision = f"torch/{chosen[_pin(spec)]}".rpartition("/")
            backend = backend.rpartition("/")[2]
            spec = spec.model_copy(update={"backend": backend, "precision": precision})
        specs.append(spec)
    if chosen != stored:
        root.write(_PRECISION, json.dumps(chosen, sort_keys=True).encode())
    return rules.model_copy(update={"encoders": tuple(specs)})


def _pin(spec: EncoderSettings) -> str:
    """Key of a stored choice: the encoder, and backend and precision where the settings state them."""
    stated = [value for value in (spec.backend, spec.precision) if value != "auto"]
    return ":".join([spec.kind, spec.model, *stated])


@dataclass(frozen=True)
class Centroids:
    """Unit centroids (k, d) of one space; k = 1 compares everything with everything."""

    vectors: Vectors

    def probes(self, rows: Vectors, count: int) -> npt.NDArray[np.int32]:
        """The `count` nearest clusters of each row, nearest first; shape (n, min(count, k)).

        float32 nominates, float64 rounded decides, so that a near tie falls the same way on every machine.
        """
        count = min(count, len(self.vectors))
        if len(self.vectors) == 1:
            return np.zeros((len(rows), 1), dtype=np.int32)
        nearest_clusters = np.empty((len(rows), count), dtype=np.int32)
        for start, block, rough in self._blocks(rows):
            last = np.partition(rough, rough.shape[1] - count, axis=1)[:, rough.shape[1] - count]
            able, cluster = np.divmod(np.flatnonzero(rough >= last[:, None] - _MARGIN), rough.shape[1])
            exact = cosine(block, self.vectors, able, cluster)
            order = np.lexsort((cluster, -exact, able))
            firsts = np.searchsorted(able[order], np.arange(len(block)))
            nearest_clusters[start : start + len(block)] = cluster[order][firsts[:, None] + np.arange(count)]
        return nearest_clusters

    def reaching(self, rows: Vectors, similarity: float) -> list[npt.NDArray[np.int32]]:
        """For each row its nearest cluster, then all that it must visit for no pair of the similarity to be missed.

        With δ = √(2 - 2·similarity), x visits every cluster e with d(x, e) <= d(x, c) + δ, c being its home. For y at
        home in e and at most δ from x, the triangle inequality gives d(x, e) - d(y, e) <= δ and d(y, c) - d(x, c) <= δ.
        Added up, the excesses d(x, e) - d(x, c) and d(y, c) - d(y, e) make at most 2δ, so one of them is at most δ: x
        visits the home of y, or y that of x. Both sides must visit; where only one does, it takes 2δ.
        """
        homes = self.probes(rows, 1)[:, 0]
        if len(self.vectors) == 1:
            return list(homes[:, None])
        reach = np.sqrt(2.0 - 2.0 * similarity) + 2 * _MARGIN
        clusters: list[npt.NDArray[np.int32]] = []
        for start, block, rough in self._blocks(rows):
            distance = np.sqrt(np.maximum(2.0 - 2.0 * rough, 0.0))
            visited = distance <= distance.min(axis=1, keepdims=True) + reach
            for row, home in zip(visited, homes[start : start + len(block)], strict=True):
                row[home] = False
                clusters.append(np.r_[home, np.flatnonzero(row)].astype(np.int32))
        return clusters

    def _blocks(self, rows: Vectors) -> Iterator[tuple[int, Vectors, Vectors]]:
        """Some rows at a time: where they start, they, and their cosines to all centroids in float32."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            block = rows[start : start + _ROWS_AT_ONCE]
            yield start, block, block @ self.vectors.T


def centroids(
    rules: DiversitySettings, artifacts: str | Folder, space: str, rows: int, sample: Callable[[int], Vectors]
) -> Centroids:
    """The space's centroids for its size and `diversity.centroids_version`: kept ones, or trained now and kept.

    Each time a space has grown fourfold it gets new ones, so that clusters do not grow with it. The old ones stay.

    Args:
        rows: embeddings in the space; fewer than `diversity.exhaustive_rows` need no centroids and keep none.
        sample: gives at most so many embeddings, (n, d), always the same ones in the same order.
    """
    if rows < rules.exhaustive_rows:
        return Centroids(np.zeros((1, 1), dtype=np.float32))
    slug = re.sub(r"[^a-zA-Z0-9.-]+", "_", f"{space}-{rules.recipe}")
    growth = (rows // rules.exhaustive_rows).bit_length() - 1 >> 1
    root, name = folder(artifacts), f"centroids/{slug}/v{rules.centroids_version}-x{4**growth}.npy"
    stored = root.read_if_there(name)
    if stored is not None:
        return Centroids(np.load(io.BytesIO(stored), allow_pickle=False))
    # Assigning costs rows·clusters, comparing probes·rows·(rows / clusters): beyond the root both would only grow.
    clusters = max(2, min(rows // rules.rows_per_cluster, isqrt(rules.probes * rows)))
    wanted = max(rules.centroid_sample, _LEAST_POINTS_A_CENTROID * clusters)
    trained = train(sample(wanted), clusters, rules.seed)
    out = io.BytesIO()
    np.save(out, trained.vectors)
    root.write(name, out.getvalue())
    return trained


def train(sample: Vectors, clusters: int, seed: int) -> Centroids:
    """Spherical k-means by FAISS (on a GPU when there is one); sample (n, d), at most n / 40 clusters."""
    import faiss

    clusters = max(1, min(clusters, len(sample) // _LEAST_POINTS_A_CENTROID))
    kmeans = faiss.Kmeans(
        sample.shape[1], clusters, niter=_PASSES, seed=seed, spherical=True,
        max_points_per_centroid=_POINTS_A_CENTROID, gpu=bool(getattr(faiss, "get_num_gpus", int)()),
    )  # fmt: skip
    kmeans.train(np.ascontiguousarray(sample))
    return Centroids(np.asarray(kmeans.centroids, dtype=np.float32))


def encoder_names(rules: DiversitySettings) -> list[str]:
    """Names of the configured encoders, in order of preference."""
    return [encoder_name(spec) for spec in rules.encoders]
