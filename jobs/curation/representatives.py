"""Which turn stands for its conversation when a dataset takes at most one turn of each.

The choice is made before strata are counted, by seeded hash: every candidate of a conversation is as likely as any
other. Only when floors could not be met so, conversations that have a turn of a scarce level stand with it instead:
the scarcest floor first, conversations in the order of their hash, no more of them than are needed (then twice as
many, then all, since caps can make some of them useless). Rows that a floor does not need are thus not favoured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from jobs.curation.constraints import Constraint
from jobs.curation.labels import Codes, Labels, Mask

Ints = npt.NDArray[np.int64]


def representatives(
    conversations: Codes,
    ranks: Ints,
    floors: Sequence[tuple[Constraint, Labels]],
    size: int,
    enough: Callable[[Mask], bool],
) -> tuple[Mask, bool]:
    """One candidate per conversation, and whether they are enough.

    Args:
        conversations: (N,) code of each candidate's conversation.
        ranks: (N,) seeded hash order of the candidates, each rank once.
        floors: every floor with the (N,) levels of its dimension.
        size: K, which floors by share are taken of.
        enough: whether hard constraints can hold among the candidates of a (N,) mask.

    Returns:
        (N,) mask: the first choice of the rule above that is enough, else the last.
    """
    mask = np.zeros(len(ranks), dtype=bool)
    for mask in _choices(conversations, ranks, floors, size):
        if enough(mask):
            return mask, True
    return mask, False


def _choices(
    conversations: Codes, ranks: Ints, floors: Sequence[tuple[Constraint, Labels]], size: int
) -> Iterator[Mask]:
    plain = _first(conversations, ranks, np.zeros(len(ranks), dtype=np.int8))
    yield plain
    if not floors:
        return
    scarcest_first = _scarcest_first(conversations, floors, size)
    for factor in (1, 2, None):
        preference = np.zeros(len(ranks), dtype=np.int8)
        spoken_for = np.zeros(int(conversations.max(initial=-1)) + 1, dtype=bool)
        for constraint, labels in scarcest_first:
            held = labels.holds(constraint.level)
            by_chance = np.zeros_like(spoken_for)
            by_chance[conversations[plain & held]] = True
            able = _in_order(conversations[held], ranks[held])
            able = able[~spoken_for[able]]
            # Those that hold the level by chance come first, the others follow by hash; what is left over is free for
            # other floors.
            able = np.concatenate([able[by_chance[able]], able[~by_chance[able]]])
            standing = np.zeros_like(spoken_for)
            standing[able if factor is None else able[: constraint.wanted(size) * factor]] = True
            preference[standing[conversations] & held] = 1
            spoken_for |= standing
        yield _first(conversations, ranks, preference)


def _scarcest_first(
    conversations: Codes, floors: Sequence[tuple[Constraint, Labels]], size: int
) -> list[tuple[Constraint, Labels]]:
    def supply_per_row(item: tuple[Constraint, Labels]) -> tuple[float, str]:
        constraint, labels = item
        able = np.unique(conversations[labels.holds(constraint.level)])
        return len(able) / max(constraint.wanted(size), 1), constraint.name

    return sorted(floors, key=supply_per_row)


def _in_order(conversations: Codes, ranks: Ints) -> Codes:
    """Distinct conversations by the lowest rank of their candidates."""
    ordered = conversations[np.argsort(ranks)]
    _, first = np.unique(ordered, return_index=True)
    return ordered[np.sort(first)]


def _first(conversations: Codes, ranks: Ints, preference: npt.NDArray[np.int8]) -> Mask:
    """The candidate of each conversation with the highest preference, then the lowest rank."""
    order = np.lexsort((ranks, -preference, conversations))
    _, first = np.unique(conversations[order], return_index=True)
    mask = np.zeros(len(ranks), dtype=bool)
    mask[order[first]] = True
    return mask
