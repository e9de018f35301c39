"""Which turns of a day are kept: a greedy cover of its prompts, one priority order, an exact cut (section 2.2.1).

Pure numpy. The search for close pairs works on tiles within a declared memory; float32 products only nominate pairs,
similarities are float64 dot products rounded to six digits, so the answer does not depend on tiling or machine.

A *text* is one distinct prompt of one day and split; several turns can share it. Texts of one *twin* group are the same
after normalisation (`lexical.Normal.key`): their similarity is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DIGITS: Final = 6
# More than what float32 loses on a dot product of unit vectors of some thousand dimensions.
_MARGIN: Final = 1e-4
_NOWHERE: Final = -1


def tile_rows(memory_bytes: int, dimension: int) -> int:
    """Largest b for which two blocks of b float32 vectors, their products and their hits fit into the memory.

    8·b·d bytes of vectors, and 96·b² of products, mask, positions and similarities (of this tile and the one before,
    which the caller still holds) in the worst case, where every pair is close.
    """
    half = 4 * dimension
    return max(16, (isqrt(half * half + 96 * memory_bytes) - half) // 96)


def close_pairs(
    queries: Vectors, targets: Vectors, threshold: float, tile: int
) -> Iterator[tuple[Ints, Ints, Floats]]:
    """All pairs whose cosine, rounded, reaches the threshold; one chunk a tile.

    Args:
        queries, targets: unit vectors, (q, d) and (t, d).
        tile: rows of each side compared at once.

    Yields:
        Row numbers in `queries`, in `targets`, and similarities.
    """
    for left in range(0, len(queries), tile):
        for right in range(0, len(targets), tile):
            block, other = queries[left : left + tile], targets[right : right + tile]
            rows, columns, exact = _close(block, other, threshold, among=False)
            if len(rows):
                yield rows + left, columns + right, exact


def close_pairs_among(vectors: Vectors, threshold: float, tile: int) -> Iterator[tuple[Ints, Ints, Floats]]:
    """As `close_pairs` of the rows with themselves, each pair once (first < second) and half of the work."""
    for left in range(0, len(vectors), tile):
        for right in range(left, len(vectors), tile):
            block, other = vectors[left : left + tile], vectors[right : right + tile]
            rows, columns, exact = _close(block, other, threshold, among=left == right)
            if len(rows):
                yield rows + left, columns + right, exact


def _close(block: Vectors, other: Vectors, threshold: float, among: bool) -> tuple[Ints, Ints, Floats]:
    # On a flat mask numpy skips what is empty; on a matrix it does not.
    near = np.flatnonzero(block @ other.T >= threshold - _MARGIN)
    rows, columns = np.divmod(near, len(other))
    if among:
        above = rows < columns
        rows, columns = rows[above], columns[above]
    exact = cosine(block, other, rows, columns)
    close = exact >= threshold
    return rows[close], columns[close], exact[close]


def cosine(first: Vectors, second: Vectors, rows: Ints, columns: Ints) -> Floats:
    """float64 dot products of the pairs (rows, columns), rounded to DIGITS; shape (n,)."""
    found = np.empty(len(rows), dtype=np.float64)
    step = 8192
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        a, b = first[rows[part]].astype(np.float64), second[columns[part]].astype(np.float64)
        found[part] = (a * b).sum(axis=1)
    return np.clip(np.round(found, DIGITS), -1.0, 1.0)  # unit length holds to float32's precision only


@dataclass(frozen=True)
class Side:
    """Texts on one side of a search: unit vectors (n, d), text numbers, days (ordinals) and ranks of their hashes."""

    vectors: Vectors
    text: Ints
    day: Ints
    hash_rank: Ints

    def __len__(self) -> int:
        return len(self.text)

    def part(self, rows: slice) -> Side:
        """Some neighbouring rows of it, without a copy."""
        return Side(self.vectors[rows], self.text[rows], self.day[rows], self.hash_rank[rows])


def nearest(queries: Side, targets: Side, horizon_days: int, tile: int) -> tuple[Ints, Floats]:
    """For each query the most similar target of its own day or of the `horizon_days` before it.

    Ties go to the later day, then to the smaller hash. A query is never its own answer.

    Returns:
        Text numbers of the answers (-1: no target in reach) and similarities (NaN where there is none).
    """
    best_text = np.full(len(queries), _NOWHERE, dtype=np.int64)
    best = np.full((3, len(queries)), -np.inf)  # similarity, day, -hash_rank: larger is better
    for left in range(0, len(queries), tile):
        rows_of = slice(left, left + tile)
        for right in range(0, len(targets), tile):
            columns_of = slice(right, right + tile)
            age = queries.day[rows_of][:, None] - targets.day[columns_of][None, :]
            reachable = (age >= 0) & (age <= horizon_days)
            reachable &= queries.text[rows_of][:, None] != targets.text[columns_of][None, :]
            rough = np.where(reachable, queries.vectors[rows_of] @ targets.vectors[columns_of].T, -np.inf)
            bar = np.maximum(rough.max(axis=1), best[0, rows_of])
            rows, columns = np.nonzero(reachable & (rough >= (bar - _MARGIN)[:, None]))
            if not len(rows):
                continue
            exact = cosine(queries.vectors[rows_of], targets.vectors[columns_of], rows, columns)
            rows, columns = rows + left, columns + right
            merit = np.stack(
                [exact, targets.day[columns].astype(float), -targets.hash_rank[columns].astype(float)]
            )
            order = np.lexsort((-merit[2], -merit[1], -merit[0], rows))
            first = order[np.r_[True, rows[order][1:] != rows[order][:-1]]]
            for at in first:
                row = rows[at]
                if tuple(merit[:, at]) > tuple(best[:, row]):
                    best[:, row], best_text[row] = merit[:, at], targets.text[columns[at]]
    return best_text, np.where(best_text == _NOWHERE, np.nan, best[0])


@dataclass(frozen=True)
class Texts:
    """All texts of a fold; row i is text number i.

    Attributes:
        day: ordinals.
        hash_rank: rank of the text's content hash, what ties go by.
        twin: number of its twin group.
    """

    day: Ints
    hash_rank: Ints
    twin: Ints


class Graph:
    """Close pairs of texts: for each text its close texts of the same day and of earlier days."""

    def __init__(self, texts: Texts, first: Ints, second: Ints, similarity: Floats) -> None:
        """Build it from pairs in any order and direction, repeated or not; a repeated pair keeps its larger value."""
        swap = texts.day[first] < texts.day[second]
        later, earlier = np.where(swap, second, first), np.where(swap, first, second)
        same_day = texts.day[later] == texts.day[earlier]
        source = np.concatenate([later, earlier[same_day]])
        target = np.concatenate([earlier, later[same_day]])
        value = np.concatenate([similarity, similarity[same_day]])
        order = np.lexsort((-value, target, source))
        source, target, value = source[order], target[order], value[order]
        distinct = np.r_[True, (source[1:] != source[:-1]) | (target[1:] != target[:-1])][: len(source)]
        distinct &= source != target
        self._target, self._value = target[distinct], value[distinct]
        self._starts = np.searchsorted(source[distinct], np.arange(len(texts.day) + 1))

    def close_to(self, text: int) -> tuple[Ints, Floats]:
        """Close texts, and how close."""
        part = slice(self._starts[text], self._starts[text + 1])
        return self._target[part], self._value[part]


@dataclass(frozen=True)
class Turns:
    """The turns of one day and split: ids, the text of each, and quality in 0..1."""

    turn_id: Sequence[str]
    text: Ints
    quality: Floats


@dataclass(frozen=True)
class Ranking:
    """What became of each of the day's turns, in the order given.

    Attributes:
        priority: rank from 0.
        kept: priority < round(p·N).
        duplicate_of: turn of the cover, or one kept before, that it is close to; None for the cover itself.
        kept_turn: nearest kept turn among close ones; None where kept, or where no kept turn is close.
        similarity: to `kept_turn`; NaN where that is None.
        near: whether a kept turn is close.
    """

    priority: Ints
    kept: Flags
    duplicate_of: list[str | None]
    kept_turn: list[str | None]
    similarity: Floats
    near: Flags


def kept_count(keep_proportion: float, turns: int) -> int:
    """round(p·N)."""
    return round(keep_proportion * turns)


class Fold:
    """Days of one split in order, each ranked against what the days before it kept."""

    def __init__(self, texts: Texts, graph: Graph, horizon_days: int, keep_proportion: float) -> None:
        self._texts, self._graph = texts, graph
        self._horizon, self._proportion = horizon_days, keep_proportion
        self.kept_turn_of: dict[int, str] = {}
        self._kept = np.zeros(len(texts.day), dtype=bool)
        self._kept_twin: dict[int, int] = {}

    def remember(self, kept_turns: dict[int, str]) -> None:
        """Take over what was kept: text number to its kept turn of highest priority. Days in order."""
        for text in sorted(kept_turns, key=lambda t: (self._texts.day[t], -self._texts.hash_rank[t])):
            self._kept_twin[int(self._texts.twin[text])] = text
        self.kept_turn_of |= kept_turns
        self._kept[list(kept_turns)] = True

    def rank(self, day: int, turns: Turns) -> Ranking:
        """Rank and cut one day; later days see what it kept."""
        taken = np.lexsort((np.array(turns.turn_id), self._texts.hash_rank[turns.text], -turns.quality))
        top = {int(turns.text[t]): int(t) for t in taken[::-1]}
        before = {text: self._kept_before(text, day) for text in top}
        cover = self._cover([text for text in dict.fromkeys(turns.text[taken].tolist()) if not before[text]])
        nearest_cover = {
            text: found
            for text in top
            if text not in cover and (found := self._best(text, cover, before[text])) is not None
        }
        ranked = self._order(turns, taken, top, cover, nearest_cover)
        priority = np.empty(len(ranked), dtype=np.int64)
        priority[ranked] = np.arange(len(ranked))
        kept = priority < kept_count(self._proportion, len(ranked))
        kept_today: dict[int, str] = {}
        for turn in ranked[kept[ranked]]:
            kept_today.setdefault(int(turns.text[turn]), turns.turn_id[turn])
        duplicate_of: list[str | None] = [None] * len(ranked)
        kept_turn: list[str | None] = [None] * len(ranked)
        similarity = np.full(len(ranked), np.nan)
        removed_near: dict[int, tuple[int, float] | None] = {}
        members = _by_twin(kept_today, self._texts)
        for turn, text in enumerate(turns.text.tolist()):
            if text in cover:
                duplicate_of[turn] = turns.turn_id[top[text]] if top[text] != turn else None
            else:
                near, _ = nearest_cover[text]
                duplicate_of[turn] = turns.turn_id[top[near]] if near in cover else self.kept_turn_of[near]
            if kept[turn]:
                continue
            if text not in removed_near:
                own = (text, 1.0) if text in kept_today else None
                removed_near[text] = own or self._best(text, members, before[text])
            if (found := removed_near[text]) is not None:
                kept_turn[turn] = kept_today.get(found[0]) or self.kept_turn_of[found[0]]
                similarity[turn] = found[1]
        self.remember(kept_today)
        return Ranking(priority, kept, duplicate_of, kept_turn, similarity, ~np.isnan(similarity))

    def _kept_before(self, text: int, day: int) -> tuple[int, float] | None:
        """The closest text kept within the horizon, if any is close."""
        close, values = self._graph.close_to(text)
        days = self._texts.day[close]
        usable = self._kept[close] & (days < day) & (days >= day - self._horizon)
        candidates = list(zip(close[usable].tolist(), values[usable].tolist(), strict=True))
        twin = self._kept_twin.get(int(self._texts.twin[text]))
        if twin is not None and day - self._horizon <= self._texts.day[twin] < day:
            candidates.append((twin, 1.0))
        return self._closest(candidates)

    def _cover(self, uncovered: Sequence[int]) -> _Members:
        """Greedy cover of the texts, taken in the order given: none of it is close to another of it."""
        cover: set[int] = set()
        twins: dict[int, int] = {}
        blocked: set[int] = set()
        for text in uncovered:
            twin = int(self._texts.twin[text])
            if text in blocked or twin in twins:
                continue
            cover.add(text)
            twins[twin] = text
            blocked.update(self._graph.close_to(text)[0].tolist())
        return _Members(cover, twins)

    def _best(
        self, text: int, members: _Members, before: tuple[int, float] | None
    ) -> tuple[int, float] | None:
        """The closest of today's members or of what was kept before."""
        close, values = self._graph.close_to(text)
        candidates = [
            (other, value)
            for other, value in zip(close.tolist(), values.tolist(), strict=True)
            if other in members
        ]
        twin = members.twins.get(int(self._texts.twin[text]))
        if twin is not None and twin != text:
            candidates.append((twin, 1.0))
        if before:
            candidates.append(before)
        return self._closest(candidates)

    def _closest(self, candidates: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
        """Largest similarity; ties to the later day, then to the smaller hash."""
        texts = self._texts
        return min(candidates, key=lambda c: (-c[1], -texts.day[c[0]], texts.hash_rank[c[0]]), default=None)

    def _order(
        self,
        turns: Turns,
        taken: Ints,
        top: dict[int, int],
        cover: _Members,
        nearest_cover: dict[int, tuple[int, float]],
    ) -> Ints:
        """First the cover as it was taken, then the rest by falling distance to it."""
        texts = turns.text.tolist()
        leads = np.fromiter(
            (texts[t] in cover and top[texts[t]] == t for t in taken), dtype=bool, count=len(taken)
        )
        rest = taken[~leads]
        closeness = np.fromiter(
            (nearest_cover[texts[t]][1] if texts[t] not in cover else 1.0 for t in rest),
            dtype=np.float64,
            count=len(rest),
        )
        return np.concatenate([taken[leads], rest[np.argsort(closeness, kind="stable")]])


@dataclass(frozen=True)
class _Members:
    """A set of today's texts and, for each twin group in it, the one with the smallest hash."""

    texts: set[int]
    twins: dict[int, int]

    def __contains__(self, text: object) -> bool:
        return text in self.texts


def _by_twin(kept: dict[int, str], texts: Texts) -> _Members:
    ordered = sorted(kept, key=lambda text: int(texts.hash_rank[text]), reverse=True)
    return _Members(set(kept), {int(texts.twin[text]): text for text in ordered})
