"""Preference models on real pairs: hh-rlhf (harmless) held apart by opening, and sets that they were never trained on.

    python -m benchmarks.reward --data ../shared/data --size 2312 --epochs 2

hh-rlhf is dated into four batches by its order. A model is judged on conversations whose opening (first user message)
is not in training, then on LLMBar's human sets, Auto-J's pairs, and XSTest: completions of one prompt by several
models, where complying is better with safe prompts and refusing with unsafe ones, which is XSTest's design, not a vote.
Everything stands beside the null that prefers the longer response. The embedded base model has a hundred-thousandth of
the weights of the paper's: the goal is only not to be below chance on prompts like those that it was trained on.
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
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmarks.race import arguments, close, table
from jobs.annotation.importers.formats import FIRST, TIE, Preferred, autoj, hh_rlhf, llmbar
from jobs.annotation.parse import Refused
from models.base import embedded
from models.conversation import context_of
from models.preferences import Pair
from models.reward.evaluate import Kind, judge
from models.reward.external import Line, report
from models.reward.matrix import cells
from models.reward.train import Trained, train
from models.training.configuration import Configuration, configuration

BATCHES = ("260104", "260111", "260118", "260125")
_HELD = 64  # of 256
_KINDS: tuple[Kind, ...] = ("pointwise", "pairwise")


def main() -> None:
    """Train both kinds, judge both, print."""
    asked = arguments(__doc__, 2312, {"epochs": ("2", "passes over the pairs"), "longest": ("768", "tokens")})
    root = asked.data
    if not (root / "hh_rlhf").is_dir():
        print(f"no real pairs under {root}: nothing to measure")
        close("reward", {"skipped": True}, {}, {})
        return
    pairs = _hh(root / "hh_rlhf" / "test.jsonl.gz")[: asked.size]
    training = [pair for pair in pairs if pair.split == "train"]
    held = [pair for pair in pairs if pair.split == "evaluation"]
    sets = {
        "llmbar (llmeval2)": _read(root / "llmbar" / "llmeval2_human.json.gz", llmbar),
        "llmbar (faireval)": _read(root / "llmbar" / "faireval_human.json.gz", llmbar),
        "autoj_pairwise": _read(root / "autoj_pairwise" / "testdata_pairwise.jsonl.gz", autoj),
        **_xstest(root / "xstest"),
    }
    figures: dict[str, Any] = {"training_pairs": len(training), "held_pairs": len(held), "seed": asked.seed}
    passed: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in _KINDS:
            chosen = configuration(
                f"reward-{kind}-smoke",
                seed=asked.seed,
                epochs=float(asked.epochs),
                max_length=int(asked.longest),
            )
            high = _one(kind, training, held, sets, chosen, Path(folder), figures)
            passed[f"{kind} is not below chance on held-apart prompts"] = high >= 0.5
    close("reward", figures, {"upper end of accuracy, at least": 0.5}, passed)


def _one(
    kind: Kind, training: Sequence[Pair], held: Sequence[Pair], sets: Mapping[str, Sequence[Pair]],
    chosen: Configuration, root: Path, figures: dict[str, Any],
) -> float:  # fmt: skip
    began = time.process_time()
    trained = train(
        kind, training, chosen, str(embedded()), root, lambda *told: print(kind, *told, flush=True)
    )
    figures[f"{kind}_cpu_seconds"] = round(time.process_time() - began, 1)
    judged = judge(kind, trained.folder, trained.tokenizer, held, chosen.max_length)
    print(f"\n{kind}: training {dict(trained.fates)}, held apart {dict(judged.fates)}\n")
    found = cells(f"RM_{BATCHES[-1]}", BATCHES[-1], judged)
    same = {cell.batch: "" if cell.consistency is None else str(cell.consistency) for cell in found}
    print(
        table(
            ["batch", "pairs", "accuracy", "longer answer", "same verdict in both orders"],
            [[cell.batch, cell.accuracy.n, cell.accuracy, cell.longer, same[cell.batch]] for cell in found],
        )
    )
    _elsewhere(trained, sets, figures)
    whole = judged.accuracy()
    figures[f"{kind}_held"] = [round(whole.value, 3), round(whole.low, 3), round(whole.high, 3)]
    return whole.high


def _elsewhere(trained: Trained, sets: Mapping[str, Sequence[Pair]], figures: dict[str, Any]) -> None:
    lines: list[Line] = report(trained, sets)
    names = list(lines[0].told())
    print(table(names, [list(line.told().values()) for line in lines]), flush=True)
    for line in lines:
        figures[f"{trained.kind} {line.name}"] = [line.accuracy.n, round(line.accuracy.value, 3)]


def _hh(path: Path) -> list[Pair]:
    """In file order, a quarter a batch; evaluation by a hash of the opening."""
    made, refused = _preferred(path, hh_rlhf)
    print(f"{path.parent.name}: {len(made)} pairs, left out {dict(refused)}")
    pairs = []
    for number, one in enumerate(made):
        opening = one.context["messages"][0]["content"]
        held = hashlib.sha256(opening.strip().lower().encode()).digest()[0] < _HELD
        batch = BATCHES[number * len(BATCHES) // len(made)]
        pairs.append(_pair(f"hh-{number}", one, batch, "evaluation" if held else "train"))
    return pairs


def _read(path: Path, reader: Callable[[Mapping[str, Any]], Preferred]) -> list[Pair]:
    made, refused = _preferred(path, reader)
    print(f"{path.name}: {len(made)} pairs, left out {dict(refused)}")
    return [_pair(f"{path.stem}-{number}", one) for number, one in enumerate(made)]


def _preferred(
    path: Path, reader: Callable[[Mapping[str, Any]], Preferred]
) -> tuple[list[Preferred], Counter[str]]:
    made, refused = [], Counter[str]()
    for record in _records(path):
        try:
            one = reader(record)
        except Refused as error:
            refused[str(error)] += 1
            continue
        if one.winner == TIE or one.responses[0] == one.responses[1]:
            refused["tie" if one.winner == TIE else "equal responses"] += 1
            continue
        made.append(one)
    return made, refused


def _pair(pair_id: str, one: Preferred, batch: str = "all", split: str = "evaluation") -> Pair:
    context = context_of(one.context["messages"], system=one.context.get("system"))
    first, second = one.responses
    chosen, rejected = (first, second) if one.winner == FIRST else (second, first)
    return Pair(pair_id, context, chosen, rejected, batch, "static", split)


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
    wanted = {"1_full_compliance", "2_full_refusal"}
    sets: dict[str, list[Pair]] = {"xstest, safe prompts": [], "xstest, unsafe prompts": []}
    for prompt, rows in by_prompt.items():
        for one, other in combinations(rows, 2):
            if {one["final_label"], other["final_label"]} != wanted:
                continue
            complies, refuses = (one, other) if one["final_label"] == "1_full_compliance" else (other, one)
            unsafe = one["type"].startswith("contrast")
            chosen, rejected = (refuses, complies) if unsafe else (complies, refuses)
            name = "xstest, unsafe prompts" if unsafe else "xstest, safe prompts"
            context = context_of([{"role": "user", "content": prompt}])
            sets[name].append(
                Pair(f"xs-{len(sets[name])}", context, chosen["completion"], rejected["completion"], "all", "static",
                     "evaluation")
            )  # fmt: skip
    return sets


if __name__ == "__main__":
    main()
