"""Decides which turns of a day are kept: greedy cover of its prompts, one priority order, exact cut (section 2.2.1).

Pure numpy. The search for close pairs works on tiles within a declared memory; float32 products only nominate pairs,
similarities are float64 dot products rounded to six digits, so the answer does not depend on tiling or machine.

A *text* is one distinct prompt of one day and split; several turns can share it. Texts of one *twin* group are the same
after normalisation (`lexical.Normal.key`): their similarity is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from infra.compiled import compiled
from jobs.curation.diversity.floors import Levels, with_floors
from jobs.curation.sampling.constraints import Constraint

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]

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
    # numpy skips empty parts of a flat mask, but not of a matrix.
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
    products = np.empty(len(rows), dtype=np.float64)
    step = 8192
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        a, b = first[rows[part]].astype(np.float64), second[columns[part]].astype(np.float64)
        products[part] = (a * b).sum(axis=1)
    return np.clip(np.round(products, DIGITS), -1.0, 1.0)  # unit length holds to float32's precision only


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
        """A slice of the rows, without a copy."""
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
            row, merit, text = rows[first], merit[:, first], targets.text[columns[first]]
            old = best[:, row]
            better = (merit[0] > old[0]) | ((merit[0] == old[0]) & (merit[1] > old[1]))
            better |= (merit[0] == old[0]) & (merit[1] == old[1]) & (merit[2] > old[2])
            best[:, row[better]], best_text[row[better]] = merit[:, better], text[better]
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

    def close_to(self, texts: Ints) -> Edges:
        """The close texts of some texts."""
        counts = self._starts[texts + 1] - self._starts[texts]
        owner = np.repeat(np.arange(len(texts)), counts)
        place = self._starts[texts][owner] + np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
        return Edges(owner, self._target[place], self._value[place])


@dataclass(frozen=True)
class Edges:
    """From places in a list of texts to text numbers, with similarities; (e,) each, ordered by place."""

    owner: Ints
    text: Ints
    value: Floats

    def where(self, wanted: Flags) -> Edges:
        """Some of them."""
        return Edges(self.owner[wanted], self.text[wanted], self.value[wanted])


@dataclass(frozen=True)
class Turns:
    """The turns of one day and split: ids, the text of each, quality in 0..1; their levels in dimensions of floors."""

    turn_id: Sequence[str]
    text: Ints
    quality: Floats
    floors: Sequence[Constraint] = ()
    levels: Levels = field(default_factory=dict)


@dataclass(frozen=True)
class Ranking:
    """Result for each of the day's turns, in the order given; (n,) each.

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
    duplicate_of: Names
    kept_turn: Names
    similarity: Floats
    near: Flags


def kept_count(keep_proportion: float, turns: int) -> int:
    """round(p·N)."""
    return round(keep_proportion * turns)


@dataclass(frozen=True)
class _Day:
    """One day's turns by text; m distinct texts.

    Attributes:
        own: (m,) text numbers, rising. at: (n,) place in `own` of each turn's text. taken: (n,) turns by quality.
        top: (m,) each text's first turn in `taken`. twin: (m,) twin group, numbered from 0.
        edges: from places in `own` to close texts. place: (e,) their places in `own`, _NOWHERE for earlier days.
    """

    own: Ints
    at: Ints
    taken: Ints
    top: Ints
    twin: Ints
    edges: Edges
    place: Ints

    @staticmethod
    def of(turns: Turns, texts: Texts, graph: Graph) -> _Day:
        """The day's turns among all texts and their close pairs."""
        own, at = np.unique(turns.text, return_inverse=True)
        taken = np.lexsort((np.array(turns.turn_id), texts.hash_rank[turns.text], -turns.quality))
        twin = np.unique(texts.twin[own], return_inverse=True)[1]
        edges = graph.close_to(own)
        return _Day(own, at, taken, _first(at, taken, len(own)), twin, edges, _places(own, edges.text))


def _first(at: Ints, order: Ints, groups: int) -> Ints:
    """For each group its first member in `order`, else _NOWHERE; at: group of each."""
    firsts = np.full(groups, _NOWHERE)
    firsts[at[order[::-1]]] = order[::-1]  # the last assignment stays
    return firsts


def _places(own: Ints, wanted: Ints) -> Ints:
    if not len(own):
        return np.full(len(wanted), _NOWHERE)
    place = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
    return np.where(own[place] == wanted, place, _NOWHERE)


@compiled(nogil=True)
def _greedy(order: Ints, starts: Ints, close: Ints, twin: Ints) -> Flags:
    """Take places in order unless a close one or a twin was taken; close[starts[i]:starts[i + 1]] are close to i."""
    cover = np.zeros(len(twin), dtype=np.bool_)
    blocked = np.zeros(len(twin), dtype=np.bool_)
    twin_taken = np.zeros(len(twin), dtype=np.bool_)
    for place in order:
        if blocked[place] or twin_taken[twin[place]]:
            continue
        cover[place] = twin_taken[twin[place]] = True
        for edge in range(starts[place], starts[place + 1]):
            if close[edge] >= 0:
                blocked[close[edge]] = True
    return cover


class Fold:
    """Days of one split in order, each ranked against what the days before it kept.

    Attributes:
        kept_turn_of: (texts,) the kept turn of highest priority of each text, None where none is kept.
    """

    def __init__(self, texts: Texts, graph: Graph, horizon_days: int, keep_proportion: float) -> None:
        self._texts, self._graph = texts, graph
        self._horizon, self._proportion = horizon_days, keep_proportion
        self.kept_turn_of: Names = np.full(len(texts.day), None, dtype=object)
        self._kept = np.zeros(len(texts.day), dtype=bool)
        self._kept_twin = np.full(int(texts.twin.max(initial=-1)) + 1, _NOWHERE)

    def remember(self, kept: Ints, turns: Names) -> None:
        """Add kept texts and, for each, its kept turn of highest priority. Call for days in order."""
        order = kept[np.lexsort((-self._texts.hash_rank[kept], self._texts.day[kept]))]
        self._kept_twin[self._texts.twin[order]] = order  # of twins the latest, then the smallest hash, stays
        self.kept_turn_of[kept] = turns
        self._kept[kept] = True

    def rank(self, day: int, turns: Turns) -> Ranking:
        """Rank and cut one day; later days see what it kept."""
        ids = np.array(turns.turn_id, dtype=object)
        today = _Day.of(turns, self._texts, self._graph)
        before = self._kept_before(today, day)
        cover = self._cover(today, before)
        near_cover, closeness = self._closest(today, cover, before)
        ranked = with_floors(_order(today, cover, closeness), turns.floors, turns.levels)
        priority = np.empty(len(ranked), dtype=np.int64)
        priority[ranked] = np.arange(len(ranked))
        kept = priority < kept_count(self._proportion, len(ranked))
        lead = _first(today.at, ranked[kept[ranked]], len(today.own))
        near_kept, similarity = self._closest(today, lead >= 0, before)
        near_kept, similarity = (
            np.where(lead >= 0, today.own, near_kept), np.where(lead >= 0, 1.0, similarity)
        )  # fmt: skip
        duplicate_of = np.where(cover, ids[today.top], self._named(near_cover, today, today.top, ids))[
            today.at
        ]
        duplicate_of[cover[today.at] & (today.top[today.at] == np.arange(len(ids)))] = None
        kept_turn = self._named(near_kept, today, lead, ids)[today.at]
        kept_turn[kept] = None
        value = np.where(kept, np.nan, similarity[today.at])
        self.remember(today.own[lead >= 0], ids[lead[lead >= 0]])
        return Ranking(priority, kept, duplicate_of, kept_turn, value, ~np.isnan(value))

    def _kept_before(self, today: _Day, day: int) -> Edges:
        """To the closest text kept within the horizon, from each place where one is close."""
        days = self._texts.day
        twin = self._kept_twin[self._texts.twin[today.own]]
        owner = np.flatnonzero((twin != _NOWHERE) & (days[twin] >= day - self._horizon) & (days[twin] < day))
        text = today.edges.text
        usable = self._kept[text] & (days[text] < day) & (days[text] >= day - self._horizon)
        return self._best([today.edges.where(usable), Edges(owner, twin[owner], np.ones(len(owner)))])

    def _cover(self, today: _Day, before: Edges) -> Flags:
        """Greedy cover, by quality, of texts without a close text kept before. No two texts of it are close."""
        position = np.empty_like(today.taken)
        position[today.taken] = np.arange(len(today.taken))
        uncovered = np.ones(len(today.own), dtype=bool)
        uncovered[before.owner] = False
        order = np.argsort(position[today.top])
        starts = np.searchsorted(today.edges.owner, np.arange(len(today.own) + 1))
        cover: Flags = _greedy(order[uncovered[order]], starts, today.place, today.twin)
        return cover

    def _closest(self, today: _Day, members: Flags, before: Edges) -> tuple[Ints, Floats]:
        """The closest other of today's members or of what was kept before, of each place: text or _NOWHERE, and NaN."""
        chosen = np.flatnonzero(members)
        by_hash = chosen[np.argsort(self._texts.hash_rank[today.own[chosen]])]
        twin = _first(today.twin, by_hash, len(today.own))[today.twin]
        owner = np.flatnonzero((twin != _NOWHERE) & (twin != np.arange(len(twin))))
        twins = Edges(owner, today.own[twin[owner]], np.ones(len(owner)))
        inside = (today.place != _NOWHERE) & members[today.place]
        best = self._best([today.edges.where(inside), twins, before])
        text, value = np.full(len(today.own), _NOWHERE), np.full(len(today.own), np.nan)
        text[best.owner], value[best.owner] = best.text, best.value
        return text, value

    def _best(self, parts: Sequence[Edges]) -> Edges:
        """The largest similarity of each owner; ties to the later day, then to the smaller hash."""
        owner, text = (np.concatenate([getattr(p, name) for p in parts]) for name in ("owner", "text"))
        value = np.concatenate([part.value for part in parts])
        order = np.lexsort((self._texts.hash_rank[text], -self._texts.day[text], -value, owner))
        first = order[np.r_[True, owner[order][1:] != owner[order][:-1]][: len(order)]]
        return Edges(owner[first], text[first], value[first])

    def _named(self, wanted: Ints, today: _Day, turn_of: Ints, ids: Names) -> Names:
        """Turns of texts: today's by turn_of (place to turn), others as they were kept; None for _NOWHERE."""
        names: Names = self.kept_turn_of[wanted]
        names[wanted == _NOWHERE] = None
        place = _places(today.own, wanted)
        names[place >= 0] = ids[turn_of[place[place >= 0]]]
        return names


def _order(today: _Day, cover: Flags, closeness: Floats) -> Ints:
    """First the cover as it was taken, then the rest by falling distance to it."""
    leads = cover[today.at[today.taken]] & (today.top[today.at[today.taken]] == today.taken)
    rest = today.taken[~leads]
    value = np.where(cover, 1.0, closeness)[today.at[rest]]
    return np.concatenate([today.taken[leads], rest[np.argsort(value, kind="stable")]])
