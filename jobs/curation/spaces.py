"""What a lake keeps for its embedding spaces: the precision it was begun with, and trained centroids by version."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyarrow import fs

from infra.settings import DiversitySettings
from models.encoders import encoder_name, resolve_precision

_PASSES = 10
_POINTS_A_CENTROID = 256


def pinned(rules: DiversitySettings, artifacts: str) -> DiversitySettings:
    """The settings with every `auto` precision answered as this lake answered it first.

    Vectors of different precisions are different spaces; a lake that changed machines would embed everything again.
    """
    path = f"{artifacts}/encoders/precision.json"
    chosen: dict[str, str] = json.loads(_read(path) or b"{}")
    known = dict(chosen)
    for spec in rules.encoders:
        if spec.precision == "auto":
            chosen.setdefault(f"{spec.kind}:{spec.model}", resolve_precision(spec))
    if chosen != known:
        _write(path, json.dumps(chosen, sort_keys=True).encode())
    specs = tuple(
        spec.model_copy(update={"precision": chosen[f"{spec.kind}:{spec.model}"]})
        if spec.precision == "auto"
        else spec
        for spec in rules.encoders
    )
    return rules.model_copy(update={"encoders": specs})


@dataclass(frozen=True)
class Centroids:
    """Unit centroids (k, d) of one space; k = 1 compares everything with everything."""

    vectors: npt.NDArray[np.float32]

    def probes(self, rows: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int32]:
        """The `count` nearest clusters of each row, nearest first; shape (n, min(count, k)).

        In float64 and rounded, so that a near tie falls the same way on every machine.
        """
        count = min(count, len(self.vectors))
        if len(self.vectors) == 1:
            return np.zeros((len(rows), 1), dtype=np.int32)
        found = np.empty((len(rows), count), dtype=np.int32)
        for start in range(0, len(rows), 4096):
            block = rows[start : start + 4096].astype(np.float64) @ self.vectors.T.astype(np.float64)
            found[start : start + 4096] = np.argsort(-np.round(block, 6), axis=1, kind="stable")[:, :count]
        return found


def centroids(
    rules: DiversitySettings,
    artifacts: str,
    space: str,
    rows: int,
    sample: Callable[[int], npt.NDArray[np.float32]],
) -> Centroids:
    """The space's centroids of `diversity.centroids_version`: kept ones, or trained now and kept.

    Args:
        rows: embeddings in the space; fewer than `diversity.exhaustive_rows` need no centroids and keep none.
        sample: gives at most so many embeddings, (n, d), always the same ones in the same order.
    """
    slug = re.sub(r"[^a-zA-Z0-9.-]+", "_", f"{space}-{rules.recipe}")
    path = f"{artifacts}/centroids/{slug}/v{rules.centroids_version}.npy"
    kept = _read(path)
    if kept is not None:
        return Centroids(np.load(io.BytesIO(kept), allow_pickle=False))
    if rows < rules.exhaustive_rows:
        return Centroids(np.zeros((1, 1), dtype=np.float32))
    trained = train(sample(rules.centroid_sample), max(2, rows // rules.rows_per_cluster), rules.seed)
    out = io.BytesIO()
    np.save(out, trained.vectors)
    _write(path, out.getvalue())
    return trained


def train(sample: npt.NDArray[np.float32], clusters: int, seed: int) -> Centroids:
    """Spherical k-means by FAISS (on a GPU when there is one); sample (n, d), at most n / 40 clusters."""
    import faiss

    clusters = max(1, min(clusters, len(sample) // 40))
    kmeans = faiss.Kmeans(
        sample.shape[1], clusters, niter=_PASSES, seed=seed, spherical=True,
        max_points_per_centroid=_POINTS_A_CENTROID, gpu=bool(getattr(faiss, "get_num_gpus", int)()),
    )  # fmt: skip
    kmeans.train(np.ascontiguousarray(sample))
    return Centroids(np.asarray(kmeans.centroids, dtype=np.float32))


def encoder_names(rules: DiversitySettings) -> list[str]:
    """Names of the configured encoders, in order of preference."""
    return [encoder_name(spec) for spec in rules.encoders]


def _read(path: str) -> bytes | None:
    system, place = fs.FileSystem.from_uri(path)
    if system.get_file_info(place).type == fs.FileType.NotFound:
        return None
    with system.open_input_stream(place) as stream:
        return bytes(stream.read())


def _write(path: str, content: bytes) -> None:
    """Whole or not at all: written aside, then moved into place."""
    system, place = fs.FileSystem.from_uri(path)
    system.create_dir(place.rpartition("/")[0], recursive=True)
    with system.open_output_stream(f"{place}.draft") as stream:
        stream.write(content)
    system.move(f"{place}.draft", place)
