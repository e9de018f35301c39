"""Training texts that repeat an evaluation text: MinHash bands of the one side are looked up in those of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.text.lexical import BANDS, Normal, signatures, similarities, sketches_agree

_PAIRS_AT_ONCE: Final = 1_000_000
Int64s = npt.NDArray[np.int64]


class Repeats:
    """Distinct evaluation texts, and the training rows that repeat them: add all of the one, close, then find in the
    other.

    Attributes:
        exact, near: numbers of training rows whose text is, or nearly is, an evaluation text.
    """

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity
        self._rows: dict[int, int] = {}  # key of a text to evaluation rows with it
        self._normals: list[Normal] = []
        self._hit: set[int] = set()
        self.exact: list[int] = []
        self.near: list[int] = []

    def add(self, normals: Sequence[Normal]) -> None:
        """Evaluation texts, one a row."""
        for normal in normals:
            if normal.key not in self._rows:
                self._normals.append(normal)
            self._rows[normal.key] = self._rows.get(normal.key, 0) + 1

    def close(self) -> None:
        """All of them are there: index their MinHash bands."""
        if not self._normals:
            return
        minhash = signatures(self._normals)
        self._whole, self._message = minhash.whole_sketch, minhash.message_sketch
        order = np.argsort(minhash.bands.ravel(), kind="stable")
        self._keys, self._owners = minhash.bands.ravel()[order], order // BANDS

    def rows_hit(self) -> int:
        """Evaluation rows whose text was found in training."""
        return sum(self._rows[key] for key in self._hit)

    def find(self, normals: Sequence[Normal], first: int) -> None:
        """Find those of the training rows `first`, `first` + 1, ... that repeat an evaluation text."""
        places: dict[int, list[int]] = {}
        distinct: list[Normal] = []
        for place, normal in enumerate(normals, first):
            if normal.key not in places:
                distinct.append(normal)
            places.setdefault(normal.key, []).append(place)
        exact = [normal.key for normal in distinct if normal.key in self._rows]
        self._hit.update(exact)
        self.exact += [place for key in exact for place in places[key]]
        repeated = self._near(distinct)
        self.near += [place for key in repeated - self._rows.keys() for place in places[key]]

    def _near(self, distinct: Sequence[Normal]) -> set[int]:
        """Keys of those that are nearly an evaluation text, which is noted as hit."""
        keys: set[int] = set()
        if not distinct or not self._normals:
            return keys
        minhash = signatures(distinct)
        for training, evaluation in self._meetings(minhash.bands.ravel()):
            alike = sketches_agree(minhash.whole_sketch[training], self._whole[evaluation])
            alike &= sketches_agree(minhash.message_sketch[training], self._message[evaluation])
            pairs = np.unique(np.stack([training[alike], evaluation[alike]]), axis=1)
            train_texts = [distinct[row] for row in pairs[0].tolist()]
            evaluation_texts = [self._normals[row] for row in pairs[1].tolist()]
            if not train_texts:
                continue
            for close in np.flatnonzero(
                similarities(train_texts, evaluation_texts, self._similarity)
            ).tolist():
                keys.add(train_texts[close].key)
                self._hit.add(evaluation_texts[close].key)
        return keys

    def _meetings(self, bands: Int64s) -> Iterator[tuple[Int64s, Int64s]]:
        """Pairs (training text, evaluation text) that share a band, in chunks of bounded size."""
        low, high = (np.searchsorted(self._keys, bands, side=side) for side in ("left", "right"))
        counts = high - low
        ends = np.cumsum(counts)
        start = 0
        while start < len(bands):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")))
            several = counts[start:stop]
            slots = np.repeat(np.arange(start, stop), several)
            within = np.arange(len(slots)) - np.repeat(np.cumsum(several) - several, several)
            yield slots // BANDS, self._owners[low[slots] + within]
            start = stop
