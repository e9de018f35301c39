"""Which arm of an experiment a user is in: a hash of the salted user id, the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def stable_hash(text: str) -> int:
    """64 bits of a cryptographic hash: what assignment and ids are made of."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def arm_of(user_id: str, salt: str, shares: Mapping[str, float]) -> str | None:
    """The arm of a user, or None outside the experiment (section 2.5.2).

    Experiments with different salts are independent: where a user stands in one says nothing of the other.

    Args:
        shares: arm to its share of all users, in the order of the arms; at most 1 together.
    """
    place, upper = stable_hash(f"{salt}|{user_id}") / 2**64, 0.0
    for arm, share in shares.items():
        upper += share
        if place < upper:
            return arm
    return None
