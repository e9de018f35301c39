"""Names near to one that does not exist, for messages that ask "Did you mean ...?"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 100
"""Characters of a word that are compared: no name of ours has more, and comparing takes their square."""
_LIKENESS: Final = 65.0


def nearest(word: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Up to `most` of the names that the word may have meant, the likeliest first.

    A dotted name is also near if its last part is (`turns`, `curation.turns` and `traffic.turns`), and so is one that
    has the same words in another order.
    """
    from rapidfuzz import fuzz

    asked = word[:_LONGEST].lower()

    def likeness(name: str) -> float:
        tails = _words(asked), _words(name)
        # The same word under another stage is near too, and under the same one it is nearer.
        heads = fuzz.ratio(asked.rpartition(".")[0], name.rpartition(".")[0].lower())
        return max(fuzz.ratio(*tails), fuzz.token_sort_ratio(*tails) - 1) + heads / 100

    scores = {name: likeness(name) for name in names}
    return sorted(
        (name for name, score in scores.items() if score >= _LIKENESS), key=lambda name: -scores[name]
    )[:most]


def did_you_mean(word: str, names: Iterable[str], otherwise: str = "") -> str:
    """`Did you mean a or b?`, and then the sentence `otherwise`, which stands alone where no name is near."""
    near = nearest(word, names)
    asked = f"Did you mean {' or '.join(near)}?" if near else ""
    return " ".join(part for part in (asked, otherwise) if part)


def _words(name: str) -> str:
    return name.rpartition(".")[2].lower().replace("_", " ")
