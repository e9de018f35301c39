"""The embedding map: the window's prompts laid out in two dimensions, those that were pruned beside those kept.

t-SNE (van der Maaten and Hinton 2008, scikit-learn's) of the vectors of `curation.embeddings`, started from their
first two principal components, so that the same vectors give the same picture. Distances on it are for the eye only:
what decides is the cosine in the full space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cli.reports.curation.data import Row

_PRINCIPAL = 50
_LEAST_POINTS = 30
_PERPLEXITY = 30.0


def lay_out(rows: Sequence[Row]) -> list[Row]:
    """The rows with `x` and `y` in place of `embedding`; none where there are too few to make a picture."""
    if len(rows) < _LEAST_POINTS:
        return []
    vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    places = _placed(vectors)
    return [
        {name: value for name, value in row.items() if name != "embedding"} | {"x": float(x), "y": float(y)}
        for row, (x, y) in zip(rows, places, strict=True)
    ]


def _placed(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced: Any = vectors
    if min(vectors.shape) > _PRINCIPAL:
        reduced = PCA(_PRINCIPAL, svd_solver="full").fit_transform(vectors)
    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    found = TSNE(2, init="pca", perplexity=perplexity, random_state=0, metric="euclidean").fit_transform(
        reduced
    )
    return np.asarray(np.round(found, 2), dtype=np.float64)
