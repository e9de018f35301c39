"""The leakage test before a training: what it finds of repeats that were planted across the split, and what it costs.

Training are real user messages (made up where there are none), evaluation the copies that
`benchmarks.near_duplicates.plant` makes of an eighth of them: exact, other case and punctuation, one word changed, one
to three typing errors. A planted copy is found when the row it was made of is among `LeakageReport.leaking`. How often
that rule is wrong is measured there. Every second message has an exchange before it, which its copy shares. Training
rows that are found but were not planted (`further_rows`) are near others' copies: real messages repeat each other.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pyarrow as pa

from benchmarks.chat import held_out, made_up, user_messages
from benchmarks.near_duplicates import plant
from benchmarks.race import arguments, close, table
from models.chat.conversation import context_of
from models.training.leakage import measure_leakage

GOAL = {"recall": 0.97, "rows_per_cpu_second": 2_000}


def context(message: str, before: str = "") -> str:
    """A prompt, with or without an exchange before it."""
    messages = (
        [{"role": "user", "content": "tell me more"}, {"role": "assistant", "content": before}]
        if before
        else []
    )
    return context_of([*messages, {"role": "user", "content": message}])


def main() -> bool:
    """Plant, measure, report."""
    options = arguments(__doc__, size=20_000)
    rng = np.random.default_rng(options.seed)
    chat_messages = list(dict.fromkeys(held_out(user_messages(options.data))))
    messages = (
        [chat_messages[i] for i in rng.permutation(len(chat_messages))[: options.size]]
        if chat_messages
        else made_up(rng, options.size)
    )
    planted = plant(messages, rng)
    pairs = [(kind, source, copy) for kind, members in planted.pairs.items() for source, copy in members]
    # An answer before it that is long enough to count, and is not another message's.
    before = [messages[-1 - n] if n % 2 else "" for n in range(len(messages))]
    train = pa.table({"context": [context(message, before[n]) for n, message in enumerate(messages)]})
    copies = [context(planted.documents[copy], before[source]) for _, source, copy in pairs]
    began, began_cpu = time.perf_counter(), time.process_time()
    report = measure_leakage(train, pa.table({"context": copies}))
    cpu, wall = time.process_time() - began_cpu, time.perf_counter() - began
    leaking = set(report.leaking)
    kinds = {
        kind: float(np.mean([source in leaking for _, source, _ in (p for p in pairs if p[0] == kind)]))
        for kind in planted.pairs
    }
    recall = float(np.mean([source in leaking for _, source, _ in pairs]))
    rate = (report.train_rows + report.evaluation_rows) / cpu
    origin = "real chat" if chat_messages else "made-up sentences (no chat logs at hand)"
    print(f"{origin}: {report.train_rows:,} training, {len(pairs):,} evaluation rows\n")
    print(
        table(
            ["planted", "found"],
            [(kind, f"{share:.4f}") for kind, share in [*kinds.items(), ("all", recall)]],
        )
    )
    print(f"{cpu:.1f} CPU s ({wall:.1f} s): {rate:,.0f} rows/CPU s\n")
    figures = {
        "rows": report.train_rows + report.evaluation_rows, "recall": round(recall, 4),
        "by_kind": {kind: round(share, 4) for kind, share in kinds.items()}, "rows_per_cpu_second": round(rate),
        "further_rows": len(leaking - {source for _, source, _ in pairs}),
    }  # fmt: skip
    passed = {"recall": recall >= GOAL["recall"], "rows_per_cpu_second": rate >= GOAL["rows_per_cpu_second"]}
    return close("leakage", figures, GOAL, passed)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
