"""How texts become token ids and batches: whole texts, in windows, longest first, by a budget of tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """A tokenizer and what stands around a text's tokens.

    Attributes:
        tokenizer: the tokenizer as JSON (Hugging Face tokenizers).
        dimension: length of the vectors that the network gives.
        window: most tokens of a text in one forward pass, without prefix and suffix; a longer text has many windows.
        prefix: ids before each window, such as [CLS]; `suffix`: ids behind it.
        unknown: id of the unknown token, -1 for none. padding: id that fills a batch, masked out.
        prompt: text before each text, for models that are trained with one.
        fuses_unknown: the tokenizer joins neighbouring unknown characters; here each is a token of its own.
    """

    tokenizer: str
    dimension: int
    window: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    unknown: int
    padding: int = 0
    prompt: str = ""
    fuses_unknown: bool = False

    def save(self, folder: Path) -> None:
        """Keep it in a folder."""
        (folder / "reading.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> Reading:
        """Kept by `save`."""
        values = json.loads((folder / "reading.json").read_text(encoding="utf-8"))
        return Reading(**values | {"prefix": tuple(values["prefix"]), "suffix": tuple(values["suffix"])})

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        made = Tokenizer.from_str(self.tokenizer)
        made.no_truncation()
        made.no_padding()
        return made

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, whole, without prefix and suffix."""
        read = self._tokenizer.encode_batch(
            [self.prompt + text for text in texts] if self.prompt else list(texts), add_special_tokens=False
        )
        if not self.fuses_unknown:
            return [encoding.ids for encoding in read]
        return [
            [
                one
                for id_, token in zip(encoding.ids, encoding.tokens, strict=True)
                for one in ([id_] * len(token) if id_ == self.unknown else [id_])
            ]
            or [self.unknown]
            if self.unknown in encoding.ids or not encoding.ids
            else encoding.ids
            for encoding in read
        ]

    def windows(self, ids: Sequence[int]) -> list[list[int]]:
        """The ids in pieces of at most `window`, each between prefix and suffix; at least one piece."""
        return [
            [*self.prefix, *ids[start : start + self.window], *self.suffix]
            for start in range(0, max(len(ids), 1), self.window)
        ]


def batches(pieces: Sequence[Sequence[int]], budget: int, padding: int) -> Iterator[tuple[Ids, Ids, Ids]]:
    """(rows, ids, mask) of batches of at most `budget` tokens, padding included, or of one longer piece.

    Longest first, so that a batch wastes little on padding and the largest comes before anything is wasted on
    the others. rows (n,): places in `pieces`; ids and mask (n, t).
    """
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        rows = order[start : start + max(1, budget // max(longest, 1))]
        start += len(rows)
        mask = (np.arange(longest) < lengths[rows, None]).astype(np.int64)
        ids = np.full((len(rows), longest), padding, dtype=np.int64)
        ids[mask.astype(bool)] = np.concatenate([pieces[row] for row in rows.tolist()])
        yield rows, ids, mask
