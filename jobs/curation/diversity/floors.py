"""Protects Phase III's floors in Phase II's priority order, so that pruning leaves enough to sample (section 2.2.1).

A floor asks for a share of what is kept. The order is changed so that each of its prefixes holds the floor, as far as
the day can supply it: whatever p is, the cut at round(p·N) keeps the floor, and kept sets still nest in p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import heappop, heappush
from typing import Final

import numpy as np
import numpy.typing as npt

from infra.settings import SamplingSettings
from jobs.curation.sampling.constraints import ANY, NONE, Constraint, stated

DIMENSIONS: Final = ("first_turn", "locale_language", "character")
"""Dimensions whose level neither a text nor a band decides. Floors on others, or in rows, are not protected."""

Ints = npt.NDArray[np.int64]
Levels = dict[str, npt.NDArray[np.object_]]


def protected_floors(rules: SamplingSettings) -> tuple[Constraint, ...]:
    """The floors of the settings that Phase II can protect: by share, of a dimension known to it."""
    return tuple(
        constraint
        for constraint in stated(rules)
        if constraint.kind == "floor" and constraint.dimension in DIMENSIONS and constraint.share
    )


def expanded(floors: Sequence[Constraint], levels: Levels) -> list[Constraint]:
    """The floors with `*` replaced by the levels that the day has and that no floor names."""
    named = {(floor.dimension, floor.level) for floor in floors}
    expanded_floors = []
    for floor in floors:
        if floor.level != ANY:
            expanded_floors.append(floor)
            continue
        here = sorted(set(levels[floor.dimension].tolist()) - {NONE})
        expanded_floors += [
            replace(floor, level=level) for level in here if (floor.dimension, level) not in named
        ]
    return expanded_floors


def with_floors(ranked: Ints, floors: Sequence[Constraint], levels: Levels) -> Ints:
    """The priority order, changed only where a prefix would fall below a floor that later turns could fill.

    Where a floor comes due, its turn of highest priority moves up. One floor is held by every prefix. Of k floors whose
    shares add up to s < 1, the first few turns cannot serve all at once: prefixes from 2k/(1 - s) turns on hold them.

    Args:
        ranked: (n,) turns, highest priority first.
        floors: by share, levels by name. levels: dimension -> (n,) level of each turn.
    """
    if not floors:
        return ranked
    holds = np.stack([levels[floor.dimension] == floor.level for floor in floors])
    counts = np.cumsum(holds[:, ranked], axis=1)
    size = np.arange(1, len(ranked) + 1)
    shares = [Fraction(str(floor.share)) for floor in floors]
    wanted = np.array([-(-size * share.numerator // share.denominator) for share in shares], dtype=np.int64)
    if (counts >= np.minimum(wanted, holds.sum(axis=1, keepdims=True))).all():
        return ranked
    return np.array(_Merge(ranked, holds, shares).run(), dtype=np.int64)


@dataclass
class _Queue:
    """A floor's turns in the order of their priority, those not placed from `next` on."""

    turns: list[int]
    share: Fraction
    placed: int = 0
    next: int = 0

    @property
    def due(self) -> int:
        """Smallest prefix that wants one more turn than were placed."""
        return self.placed * self.share.denominator // self.share.numerator + 1


class _Merge:
    """The order as it is built: by priority, but a floor that comes due goes first."""

    def __init__(self, ranked: Ints, holds: npt.NDArray[np.bool_], shares: Sequence[Fraction]) -> None:
        self._ranked = ranked.tolist()
        self._queues = [
            _Queue(ranked[members[ranked]].tolist(), share)
            for members, share in zip(holds, shares, strict=True)
        ]
        turns, numbers = np.nonzero(holds.T)
        self._numbers: list[int] = numbers.tolist()  # floors of turn t: numbers[starts[t]:starts[t + 1]]
        self._starts: list[int] = np.searchsorted(turns, np.arange(len(ranked) + 1)).tolist()
        self._placed = np.zeros(len(ranked), dtype=bool).tolist()

    def run(self) -> list[int]:
        """The whole order."""
        heap: list[tuple[int, int]] = []
        for number, queue in enumerate(self._queues):
            heappush(heap, (queue.due, number))
        order: list[int] = []
        cursor = 0
        # As many floors can come due at one place as there are: each is served early enough for the others to wait.
        lead = 2 * (len(self._queues) - 1)
        while len(order) < len(self._ranked):
            turn = self._due(heap, len(order) + 1 + lead)
            if turn is None:
                while self._placed[self._ranked[cursor]]:
                    cursor += 1
                turn = self._ranked[cursor]
            order.append(turn)
            self._placed[turn] = True
            for number in self._numbers[self._starts[turn] : self._starts[turn + 1]]:
                self._queues[number].placed += 1
        return order

    def _due(self, heap: list[tuple[int, int]], horizon: int) -> int | None:
        """The next turn of the floor that is due first, if one is due up to the horizon."""
        while heap and heap[0][0] <= horizon:
            due, number = heappop(heap)
            queue = self._queues[number]
            if queue.due != due:  # others of its turns were placed since
                heappush(heap, (queue.due, number))
                continue
            while queue.next < len(queue.turns) and self._placed[queue.turns[queue.next]]:
                queue.next += 1
            if queue.next < len(queue.turns):
                heappush(heap, (due + 1, number))
                return queue.turns[queue.next]
        return None


@dataclass(frozen=True)
class Holding:
    """A floor on one day and split: turns and members of its level, before the cut and among the kept."""

    floor: Constraint
    turns: int
    members: int
    kept: int
    kept_members: int

    @property
    def wanted(self) -> int:
        """Turns of the level that the floor asks for among the kept."""
        return self.floor.wanted(self.kept)

    @property
    def short(self) -> int:
        """How many of them are missing."""
        return max(0, self.wanted - self.kept_members)


def holdings(floors: Sequence[Constraint], levels: Levels, kept: npt.NDArray[np.bool_]) -> list[Holding]:
    """Supply and kept turns of each floor."""
    result = []
    for floor in floors:
        holds = levels[floor.dimension] == floor.level
        result.append(Holding(floor, len(kept), int(holds.sum()), int(kept.sum()), int((holds & kept).sum())))
    return result
