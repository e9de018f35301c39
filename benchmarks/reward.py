"""Preference models on real pairs: hh-rlhf (harmless) held apart by opening, and sets that they were never trained on.

    python -m benchmarks.reward --data ../shared/data --size 2312 --epochs 2

hh-rlhf is dated into four batches by its order. A model is judged on conversations whose opening (first user message)
is not in training, then on LLMBar's human sets, Auto-J's pairs, and XSTest: completions of one prompt by several
models, where complying is better with safe prompts and refusing with unsafe ones, which is XSTest's design, not a vote.
Pairs of one opening are not independent, and intervals know it.
Everything stands beside the null that prefers the longer response. The embedded base model has a hundred-thousandth of
the weights of the paper's: the goal is only not to be below chance on prompts like those that it was trained on.

The sandbox knows how engaging each response really is. There a model trained on its annotators' majority is scored on
users held apart: how its scores rank with that truth. A simulator, and no result on people.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.race import arguments, close, table
from infra.records import Refused
from infra.sandbox import SandboxSettings, generate
from infra.sandbox.annotators import TRUTH as PAIRS
from infra.sandbox.settings import AnnotatorSettings
from infra.sandbox.writer import JUDGEMENTS, read_gold
from jobs.annotation.importers.formats import FIRST, TIE, Preferred, ReadPairs, autoj, hh_rlhf, llmbar
from jobs.traffic.importers.chat import Source
from models.chat.conversation import context_of
from models.chat.preferences import Pair
from models.reward.evaluate import Kind, judge, sequences
from models.reward.external import Line, report
from models.reward.matrix import cells
from models.reward.train import Trained, train
from models.signals.correlation import spearman
from models.signals.ranking import Figure, Resamples
from models.training.base import DEFAULT
from models.training.configuration import Configuration, configuration
from models.training.fitting import Fitting
from models.training.scoring import score

BATCHES = ("260104", "260111", "260118", "260125")
_HELD = 64  # of 256
_KINDS: tuple[Kind, ...] = ("pointwise", "pairwise")


def main() -> None:
    """Train both kinds, judge both, print."""
    more = {
        "epochs": ("2", "passes over the pairs"),
        "longest": ("768", "tokens"),
        "only": ("real,sandbox", "parts to run, with commas"),
        "kinds": (",".join(_KINDS), "models to train, with commas"),
        "base": ("", "base model: tiny-llama, sentence-encoder, a hub id or a folder"),
        "frozen": ("0", "lowest layers that stay as they are"),
        "rate": ("1e-3", "learning rate"),
    }
    options = arguments(__doc__, 2312, more)
    figures: dict[str, Any] = {"seed": options.seed, "base": options.base or DEFAULT}
    passed: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        configurations: dict[Kind, Configuration] = {
            kind: configuration(
                f"reward-{kind}-smoke", seed=options.seed, steps=0, epochs=float(options.epochs),
                max_length=int(options.longest), base_model=options.base, frozen_layers=int(options.frozen),
                learning_rate=float(options.rate),
            )
            for kind in _KINDS
            if kind in options.kinds
        }  # fmt: skip
        if "real" in options.only:
            passed |= _real(options.data, options.size, configurations, Path(folder), figures)
        if "sandbox" in options.only:
            passed |= _sandbox(options.size, configurations, Path(folder), figures)
    close(
        "reward",
        figures,
        {"upper end of accuracy, at least": 0.5, "rank correlation with hidden quality": "lower end above 0"},
        passed,
    )


def _real(
    root: Path, size: int, configurations: Mapping[Kind, Configuration], folder: Path, figures: dict[str, Any]
) -> dict[str, bool]:
    if not (root / "hh_rlhf").is_dir():
        print(f"no real pairs under {root}: this part is left out")
        return {}
    pairs = _hh(root / "hh_rlhf" / "test.jsonl.gz")[:size]
    training = [pair for pair in pairs if pair.split == "train"]
    evaluation = [pair for pair in pairs if pair.split == "evaluation"]
    sets = {
        "llmbar (llmeval2)": _read_pairs(root / "llmbar" / "llmeval2_human.json.gz", llmbar),
        "llmbar (faireval)": _read_pairs(root / "llmbar" / "faireval_human.json.gz", llmbar),
        "autoj_pairwise": _read_pairs(root / "autoj_pairwise" / "testdata_pairwise.jsonl.gz", autoj),
        **_xstest(root / "xstest"),
    }
    figures |= {"training_pairs": len(training), "held_pairs": len(evaluation)}
    return {
        f"{kind} is not below chance on held-apart prompts": _train_and_judge(
            kind, training, evaluation, sets, chosen, folder, figures
        )
        >= 0.5
        for kind, chosen in configurations.items()
    }


@dataclass(frozen=True)
class _Simulated:
    """A pair and the hidden engagingness of chosen and rejected."""

    pair: Pair
    truth: tuple[float, float]


def _sandbox(
    size: int, configurations: Mapping[Kind, Configuration], folder: Path, figures: dict[str, Any]
) -> dict[str, bool]:
    seed = next(iter(configurations.values())).seed
    simulated = _simulated(seed, 2 * size)
    training = [item.pair for item in simulated if item.pair.split == "train"][:size]
    evaluation = {item.pair.pair_id: item for item in simulated if item.pair.split == "evaluation"}
    users = len({item.pair.cluster for item in evaluation.values()})
    print(f"\nsandbox: {len(training)} pairs to train on, {len(evaluation)} of {users} users held apart")
    figures["sandbox_pairs"] = [len(training), len(evaluation), users]
    passed = {}
    for kind, chosen in configurations.items():
        trained = train(kind, training, chosen, DEFAULT, folder, _tell(kind))
        judged = judge(
            kind,
            trained.folder,
            trained.tokenizer,
            [item.pair for item in evaluation.values()],
            chosen.max_length,
        )
        right = [evaluation[pair.pair_id] for pair in judged.pairs]
        gap = _rank(judged.preference, [item.truth[0] - item.truth[1] for item in right], right, seed)
        print(
            f"{kind}: accuracy {judged.accuracy()}, longer answer {judged.longer()}; "
            f"preference with the hidden gap {gap}"
        )
        figures[f"sandbox {kind} gap"] = [gap.value, gap.low, gap.high]
        passed[f"{kind} rises with the hidden gap"] = (gap.low or 0) > 0
        if kind == "pointwise":
            rank = _response_rank(trained, right, seed)
            print(f"{kind}: score of a response with its hidden engagingness {rank}")
            figures["sandbox pointwise score"] = [rank.value, rank.low, rank.high]
            passed["score rises with hidden quality"] = (rank.low or 0) > 0
    return passed


def _response_rank(trained: Trained, evaluation: Sequence[_Simulated], seed: int) -> Figure:
    """Over single responses: what a reward model is used for."""
    fitting = Fitting(trained.tokenizer, trained.configuration.max_length)
    tokenised = [(item, sequences("pointwise", fitting, item.pair)) for item in evaluation]
    fitting_pairs = [(item, both) for item, both in tokenised if both is not None]
    scores = score(trained.folder, [ids for _, both in fitting_pairs for ids in both])
    twice = [item for item, _ in fitting_pairs for _ in range(2)]
    return _rank(scores, [value for item, _ in fitting_pairs for value in item.truth], twice, seed)


def _rank(scores: Any, truth: Sequence[float], rows: Sequence[_Simulated], seed: int) -> Figure:
    """Spearman, with an interval over users."""
    x, y = np.asarray(scores, dtype=float), np.asarray(truth, dtype=float)

    def statistic(weights: Any) -> Any:
        return spearman(x, y, weights)

    users = [row.pair.cluster for row in rows]
    return Resamples.of(users, seed).interval(float(statistic(np.ones((1, len(x))))[0]), statistic)


def _simulated(seed: int, turns: int) -> list[_Simulated]:
    """The majority's verdict on every pair of an English sandbox; a quarter of the users are held apart."""
    settings = SandboxSettings(
        turns=turns, days=2, experiment=None, languages={"en": 1.0}, seed=seed,
        annotators=AnnotatorSettings(static_share=0.8, interactive_share=0.8),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        generate(settings, Path(folder) / "landing", Path(folder) / "truth", 1)
        truth = {row["pair_id"]: row for row in read_gold(Path(folder) / "truth", PAIRS)}
        rows = [
            row
            for file in sorted((Path(folder) / "landing" / JUDGEMENTS).rglob("*.jsonl.gz"))
            for row in _records(file)
        ]
    votes: dict[str, Counter[str]] = {}
    for row in rows:
        votes.setdefault(row["pair_id"], Counter())[row["winner"]] += 1
    first = {row["pair_id"]: row for row in rows}
    simulated = []
    for pair_id, row in sorted(first.items()):
        a, b = votes[pair_id]["a"], votes[pair_id]["b"]
        if a == b:
            continue
        responses, real = ("response_a", "response_b"), ("engagingness_a", "engagingness_b")
        chosen, rejected = (0, 1) if a > b else (1, 0)
        is_evaluation = hashlib.sha256(row["user_id"].encode()).digest()[0] < _HELD
        pair = Pair(
            pair_id, json.dumps(row["context"]), row[responses[chosen]], row[responses[rejected]],
            truth[pair_id]["batch"], row["mode"], "evaluation" if is_evaluation else "train", row["user_id"],
        )  # fmt: skip
        gold = truth[pair_id]
        simulated.append(_Simulated(pair, (gold[real[chosen]], gold[real[rejected]])))
    return simulated


def _tell(kind: str) -> Callable[[int, int, float], None]:
    return lambda *parts: print(kind, *parts, flush=True)


def _train_and_judge(
    kind: Kind, training: Sequence[Pair], evaluation: Sequence[Pair], sets: Mapping[str, Sequence[Pair]],
    chosen: Configuration, root: Path, figures: dict[str, Any],
) -> float:  # fmt: skip
    began = time.process_time()
    trained = train(kind, training, chosen, DEFAULT, root, _tell(kind))
    figures[f"{kind}_cpu_seconds"] = round(time.process_time() - began, 1)
    judged = judge(kind, trained.folder, trained.tokenizer, evaluation, chosen.max_length)
    print(f"\n{kind}: training {dict(trained.fates)}, held apart {dict(judged.fates)}\n")
    table_cells = cells(f"RM_{BATCHES[-1]}", BATCHES[-1], judged)
    same = {cell.batch: "" if cell.consistency is None else str(cell.consistency) for cell in table_cells}
    print(
        table(
            ["batch", "pairs", "accuracy", "longer answer", "same verdict in both orders"],
            [
                [cell.batch, cell.accuracy.n, cell.accuracy, cell.longer, same[cell.batch]]
                for cell in table_cells
            ],
        )
    )
    _elsewhere(trained, sets, figures)
    accuracy = judged.accuracy()
    figures[f"{kind}_held"] = [round(accuracy.value, 3), round(accuracy.low, 3), round(accuracy.high, 3)]
    return accuracy.high


def _elsewhere(trained: Trained, sets: Mapping[str, Sequence[Pair]], figures: dict[str, Any]) -> None:
    lines: list[Line] = report(trained, sets)
    names = ["set", "pairs", "too long", "accuracy", "longer answer", "same verdict in both orders"]
    rows = [
        [
            comparison.name,
            comparison.accuracy.n,
            comparison.too_long,
            comparison.accuracy,
            comparison.longer,
            comparison.consistency or "",
        ]
        for comparison in lines
    ]
    print(table(names, rows), flush=True)
    for line in lines:
        figures[f"{trained.kind} {line.name}"] = [line.accuracy.n, round(line.accuracy.value, 3)]


def _hh(path: Path) -> list[Pair]:
    """In file order, a quarter a batch; evaluation by a hash of the opening."""
    preferences, refused = _preferred(path, hh_rlhf)
    print(f"{path.parent.name}: {len(preferences)} pairs, left out {dict(refused)}")
    pairs = []
    for number, preference in enumerate(preferences):
        opening = preference.context["messages"][0]["content"]
        held = hashlib.sha256(opening.strip().lower().encode()).digest()[0] < _HELD
        batch = BATCHES[number * len(BATCHES) // len(preferences)]
        pairs.append(_pair(f"hh-{number}", preference, batch, "evaluation" if held else "train"))
    return pairs


def _read_pairs(path: Path, reader: ReadPairs) -> list[Pair]:
    preferences, refused = _preferred(path, reader)
    print(f"{path.name}: {len(preferences)} pairs, left out {dict(refused)}")
    return [_pair(f"{path.stem}-{number}", preference) for number, preference in enumerate(preferences)]


def _preferred(path: Path, reader: ReadPairs) -> tuple[list[Preferred], Counter[str]]:
    preferences, refused = [], Counter[str]()
    for record in _records(path):
        try:
            (preference,) = reader(record, Source(path.name, 1))
        except Refused as error:
            refused[str(error)] += 1
            continue
        if preference.winner == TIE or preference.responses[0] == preference.responses[1]:
            refused["tie" if preference.winner == TIE else "equal responses"] += 1
            continue
        preferences.append(preference)
    return preferences, refused


def _pair(pair_id: str, preference: Preferred, batch: str = "all", split: str = "evaluation") -> Pair:
    context = context_of(preference.context["messages"], system=preference.context.get("system"))
    first, second = preference.responses
    chosen, rejected = (first, second) if preference.winner == FIRST else (second, first)
    opening = preference.context["messages"][0]["content"]
    return Pair(pair_id, context, chosen, rejected, batch, "static", split, cluster=opening)


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        if ".jsonl" in path.name:
            yield from (json.loads(line) for line in lines if line.strip())
        else:
            yield from json.load(lines)


def _xstest(folder: Path) -> dict[str, list[Pair]]:
    """Two completions of one prompt, one that complies and one that refuses, as XSTest's annotators called them."""
    by_prompt: dict[str, list[Mapping[str, str]]] = {}
    for path in sorted(folder.glob("*completions*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                by_prompt.setdefault(row["prompt"], []).append(row)
    labels = {"1_full_compliance", "2_full_refusal"}
    sets: dict[str, list[Pair]] = {"xstest, safe prompts": [], "xstest, unsafe prompts": []}
    for prompt, rows in by_prompt.items():
        for first, second in combinations(rows, 2):
            if {first["final_label"], second["final_label"]} != labels:
                continue
            complies, refuses = (
                (first, second) if first["final_label"] == "1_full_compliance" else (second, first)
            )
            unsafe = first["type"].startswith("contrast")
            chosen, rejected = (refuses, complies) if unsafe else (complies, refuses)
            name = "xstest, unsafe prompts" if unsafe else "xstest, safe prompts"
            context = context_of([{"role": "user", "content": prompt}])
            sets[name].append(
                Pair(f"xs-{len(sets[name])}", context, chosen["completion"], rejected["completion"], "all", "static",
                     "evaluation", cluster=prompt)
            )  # fmt: skip
    return sets


if __name__ == "__main__":
    main()
