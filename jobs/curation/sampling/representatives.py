"""Chooses the turn that represents its conversation when a dataset takes at most one turn of each.

The choice is made before strata are counted, by seeded hash: every candidate of a conversation is as likely as any
other. Only when floors could not be met so, conversations that have a turn of a scarce level stand with it instead:
the scarcest floor first, conversations in the order of their hash, no more of them than are needed (then twice as
many, then all, since caps can make some of them useless). Rows that a floor does not need are thus not favoured.
Where that is not enough either, an integer programme over kinds of conversations finds the fewest that must stand with
another turn, or that there is no such choice; it is left out where conversations are of too many kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from jobs.curation.sampling.bounds import HardBounds, Kinds
from jobs.curation.sampling.constraints import Constraint
from jobs.curation.sampling.labels import Codes, Labels, Mask

Ints = npt.NDArray[np.int64]
# Up to here the programme takes seconds; 55,000 columns did not end within a minute.
_MOST_COLUMNS = 5_000
_MOST_CELLS = 200_000_000


def representatives(
    conversations: Codes,
    ranks: Ints,
    floors: Sequence[tuple[Constraint, Labels]],
    size: int,
    enough: Callable[[Mask], bool],
) -> tuple[Mask, bool]:
    """One candidate per conversation, by hash as far as floors allow, and whether they are enough.

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


def kinds_of(conversations: Codes, groups: Ints, count: int) -> Kinds | None:
    """Kinds of conversations by the groups, of so many, of their candidates; None when there are too many to solve."""
    if (int(conversations.max(initial=-1)) + 1) * count > _MOST_CELLS:
        return None
    kinds, _ = _kinds(conversations, groups, count)
    return kinds if kinds.able.sum() <= _MOST_COLUMNS else None


def _kinds(conversations: Codes, groups: Ints, count: int) -> tuple[Kinds, Ints]:
    """The kinds, and (C,) the kind of each conversation."""
    able = np.zeros((int(conversations.max(initial=-1)) + 1, count), dtype=bool)
    able[conversations, groups] = True
    packed, kind, number = np.unique(
        np.packbits(able, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return Kinds(np.unpackbits(packed, axis=1, count=count).astype(bool), number), kind.ravel()


def fewest_moved(conversations: Codes, ranks: Ints, groups: Ints, bounds: HardBounds, size: int) -> Mask:
    """One candidate per conversation among which the bounds can hold, as few as possible other than by hash.

    Args:
        groups: (N,) group of each candidate, in the order of `bounds`, which count rows (not conversations).

    Of the conversations of one kind, those that come first in the order of their hash stand with another turn.
    Raises ValueError when there is no such choice.
    """
    count = len(bounds.available)
    plain = _first(conversations, ranks, np.zeros(len(ranks), dtype=np.int8))
    stands = np.zeros(int(conversations.max(initial=-1)) + 1, dtype=np.int64)
    stands[conversations[plain]] = groups[plain]
    kinds, kind = _kinds(conversations, groups, count)
    # Kinds are told apart by the group that stands by hash, too.
    kind_and_group, place, number = np.unique(kind * count + stands, return_inverse=True, return_counts=True)
    able = kinds.able[kind_and_group // count]
    row, group = np.nonzero(able)
    moved = group != (kind_and_group % count)[row]
    standing = _least_moves(bounds, size, row, group, moved, number)
    mask = plain.copy()
    in_order = _in_order(conversations, ranks)
    for at in np.flatnonzero(moved & (standing > 0)):
        waiting = in_order[place[in_order] == row[at]]
        taken = waiting[: standing[at]]
        in_order = in_order[~np.isin(in_order, taken)]
        inside = np.isin(conversations, taken)
        mask[inside] = False
        mask |= _first_of(conversations, ranks, inside & (groups == group[at]))
    return mask


def _least_moves(bounds: HardBounds, size: int, row: Ints, group: Ints, moved: Mask, number: Ints) -> Ints:
    """Conversations of each kind that stand with each of its groups, so that K rows of them can be within bounds."""
    columns, count = len(row), len(bounds.available)
    places = np.arange(columns)
    every = sparse.csr_array((np.ones(columns), (row, places)), shape=(len(number), columns))
    supply = sparse.csr_array((np.ones(columns), (group, places)), shape=(count, columns))
    matrix = sparse.vstack(
        [
            sparse.hstack([every, sparse.csr_array((len(number), count))]),
            sparse.hstack([supply, -sparse.identity(count)]),
            sparse.hstack([sparse.csr_array((bounds.membership.shape[0], columns)), bounds.membership]),
            sparse.hstack([sparse.csr_array((1, columns)), sparse.csr_array(np.ones((1, count)))]),
        ]
    )
    lower, upper = bounds.limits(size, bounds.all)
    answer = milp(
        np.append(moved.astype(float), np.zeros(count)),
        constraints=LinearConstraint(
            matrix.tocsc(),
            np.concatenate([number, np.zeros(count), lower, [size]]),
            np.concatenate([number, np.full(count, np.inf), upper, [size]]),
        ),
        bounds=Bounds(0, np.inf),
        integrality=np.ones(columns + count),
    )
    if answer.x is None:
        raise ValueError("no choice of one turn a conversation satisfies the bounds")
    return np.asarray(np.round(answer.x[:columns]), dtype=np.int64)


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
            holds_level = labels.holds(constraint.level)
            by_chance = np.zeros_like(spoken_for)
            by_chance[conversations[plain & holds_level]] = True
            able = _in_order(conversations[holds_level], ranks[holds_level])
            able = able[~spoken_for[able]]
            # Those that hold the level by chance come first, the others follow by hash; what is left over is free for
            # other floors.
            able = np.concatenate([able[by_chance[able]], able[~by_chance[able]]])
            standing = np.zeros_like(spoken_for)
            standing[able if factor is None else able[: constraint.wanted(size) * factor]] = True
            preference[standing[conversations] & holds_level] = 1
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


def _first_of(conversations: Codes, ranks: Ints, rows: Mask) -> Mask:
    """Of some candidates, the one of each conversation with the lowest rank."""
    places = np.flatnonzero(rows)
    mask = np.zeros(len(ranks), dtype=bool)
    mask[places[_first(conversations[places], ranks[places], np.zeros(len(places), dtype=np.int8))]] = True
    return mask
