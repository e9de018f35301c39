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

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def representatives(
    conversations: Ints,
    ranks: Ints,
    floors: Sequence[tuple[Constraint, Mask]],
    size: int,
    enough: Callable[[Mask], bool],
) -> Mask:
    """One candidate per conversation.

    Args:
        conversations: (N,) code of each candidate's conversation.
        ranks: (N,) seeded hash order of the candidates, each rank once.
        floors: every floor with the (N,) candidates of its level.
        size: K, which floors by share are taken of.
        enough: whether hard constraints can hold among the candidates of a (N,) mask.

    Returns:
        (N,) mask: the first choice of the rule above that is enough, else the last.
    """
    mask = np.zeros(len(ranks), dtype=bool)
    for mask in _choices(conversations, ranks, floors, size):
        if enough(mask):
            break
    return mask


def _choices(
    conversations: Ints, ranks: Ints, floors: Sequence[tuple[Constraint, Mask]], size: int
) -> Iterator[Mask]:
    plain = _first(conversations, ranks, np.zeros(len(ranks), dtype=np.int64))
    yield plain
    if not floors:
        return
    for factor in (1, 2, None):
        preference = np.zeros(len(ranks), dtype=np.int64)
        spoken_for: set[int] = set()
        for constraint, held in _scarcest_first(conversations, floors, size):
            able = _in_order(conversations[held], ranks[held])
            have = int((plain & held & ~np.isin(conversations, list(spoken_for))).sum())
            need = max(0, constraint.wanted(size) - have)
            # Those that hold the level by chance already count; the others follow by hash.
            by_chance = set(conversations[plain & held].tolist())
            others = [one for one in able if one not in by_chance and one not in spoken_for]
            chosen = others if factor is None else others[: need * factor]
            moved = np.isin(conversations, [*chosen, *(by_chance - spoken_for)]) & held
            preference[moved] = 1
            spoken_for |= set(chosen) | by_chance
        yield _first(conversations, ranks, preference)


def _scarcest_first(
    conversations: Ints, floors: Sequence[tuple[Constraint, Mask]], size: int
) -> list[tuple[Constraint, Mask]]:
    def supply_per_row(item: tuple[Constraint, Mask]) -> tuple[float, str]:
        constraint, held = item
        return len(np.unique(conversations[held])) / max(constraint.wanted(size), 1), constraint.name

    return sorted(floors, key=supply_per_row)


def _in_order(conversations: Ints, ranks: Ints) -> list[int]:
    """Distinct conversations by the lowest rank of their candidates."""
    ordered = conversations[np.argsort(ranks)]
    _, first = np.unique(ordered, return_index=True)
    return [int(one) for one in ordered[np.sort(first)]]


def _first(conversations: Ints, ranks: Ints, preference: Ints) -> Mask:
    """The candidate of each conversation with the highest preference, then the lowest rank."""
    order = np.lexsort([ranks, -preference, conversations])
    _, first = np.unique(conversations[order], return_index=True)
    mask = np.zeros(len(ranks), dtype=bool)
    mask[order[first]] = True
    return mask
