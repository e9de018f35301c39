"""How the cost of the whole curation path grows: the real jobs on Spark, on turns of which no two are the same.

Three parts. *With embedding*: screen, embed, prune, outcomes, sample. *Without*: the same, but vectors are there before
(made of the text's hash: 2,000 topics, a tenth of the texts in families). *From screened text*: prune, outcomes and
sample alone, as if every turn had passed, for sizes whose screening takes hours here.

Turns are real chat; where more are wanted than there are, halves of two messages of one language are joined, each pair
once. Without chat logs sentences are made up.

Each size runs in a process of its own, on a fresh lake. CPU seconds are those of the whole process tree (driver, JVM,
Python workers), job by job, without the start of Java. The exponent is the slope of log(CPU seconds) over log(turns).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.chat import Exchange, exchanges, made_up
from benchmarks.landed import tell
from benchmarks.race import arguments, close, cpu_seconds, table

GOAL = {"exponent_with_embedding": 1.1, "exponent_without": 1.3, "embedding_share": 0.85}
DAYS = tuple(date(2026, 11, 1) + timedelta(days=n) for n in range(3))
_TURNS_A_CONVERSATION = 6
_CONVERSATIONS_A_USER = 4
_CHARACTERS = 300
_ROWS_AT_ONCE = 100_000
_TOPICS = 2_000
_WITH, _WITHOUT, _SCREENED = "with embedding", "without", "from screened text"


def different(data: Path, rng: np.random.Generator) -> Iterator[Exchange]:
    """Exchanges without end, no two with the same message; real ones first."""
    real = list({exchange.message: exchange for exchange in exchanges(data)}.values())
    if not real:
        sentences = made_up(rng, 20_000)
        real = [
            Exchange(message, response, "en")
            for message, response in zip(sentences[::2], sentences[1::2], strict=True)
        ]
    messages = {exchange.message for exchange in real}
    for place in rng.permutation(len(real)).tolist():
        yield real[place]
    by_language: dict[str, list[Exchange]] = {}
    for exchange in real:
        by_language.setdefault(exchange.language, []).append(exchange)
    while True:
        for place in rng.integers(0, len(real), 10_000).tolist():
            others = by_language[real[place].language]
            first, second = real[place], others[int(rng.integers(len(others)))]
            head, tail = first.message.split(), second.message.split()
            message = " ".join([*head[: (len(head) + 1) // 2], *tail[len(tail) // 2 :]])
            if message not in messages:
                messages.add(message)
                yield Exchange(message, second.response, first.language)


def land(lake: Any, data: Path, turns: int, rng: np.random.Generator) -> None:
    """Write `traffic.turns` and `traffic.characters`, and tell the ledger that their days are done."""
    from deltalake import write_deltalake

    from infra.contracts import contract
    from infra.write import frames

    characters = [
        {
            "character_id": f"c{n}", "valid_from": datetime(2026, 11, 1, tzinfo=UTC), "name": name, "traits": ["kind"],
            "instructions": "Stay in character.", "state": "published", "is_current": True, "ds": DAYS[0],
        }
        for n, name in enumerate(made_up(rng, _CHARACTERS))
    ]  # fmt: skip
    declared = contract("traffic.characters")
    frame = frames.conform_arrow(declared, frames.arrow_table(declared, characters), "growth")
    write_deltalake(lake.open(declared.name), frame, mode="append")
    exchanges = different(data, rng)
    schema = pa.schema(lake.open("traffic.turns").schema().to_arrow())
    for start in range(0, turns, _ROWS_AT_ONCE):
        rows = [_turn(n, turns, next(exchanges)) for n in range(start, min(turns, start + _ROWS_AT_ONCE))]
        write_deltalake(lake.path("traffic.turns"), pa.Table.from_pylist(rows, schema), mode="append")
    tell(lake, "traffic.turns", "traffic.turns", DAYS)
    tell(lake, "traffic.characters", "traffic.characters", DAYS)


def land_screened(settings: Any, lake: Any) -> None:
    """Write what screening writes, as if all that landed had passed."""
    from pyspark.sql import functions as F

    from infra.contracts import contract
    from infra.spark import session

    passed = {"verdict": "'pass'", "reasons": "array()", "policy_version": "'x'", "content_hash": "'x'"}
    turns = {"redacted_user_message": "user_message", "redacted_response": "response"}
    turns |= {"privacy_spans": "array()", "detector_versions": "map()"}
    characters = {f"redacted_{field}": field for field in ("name", "traits", "instructions")}
    for name, source, more in (
        ("curation.screened_characters", "traffic.characters", characters),
        ("curation.screened", "traffic.turns", turns),
    ):
        frame = session(settings).read.format("delta").load(lake.path(source))
        sources = {column: column for column in frame.columns} | passed | more
        columns = [
            F.expr(sources.get(c.name, "NULL")).cast(c.type).alias(c.name) for c in contract(name).columns
        ]
        frame.select(columns).write.format("delta").mode("append").save(lake.path(name))
        tell(lake, "curation.screen" + name.removeprefix("curation.screened"), name, DAYS)


def _turn(n: int, turns: int, exchange: Exchange) -> dict[str, Any]:
    talk, index = divmod(n, _TURNS_A_CONVERSATION)
    day = DAYS[n * len(DAYS) // turns]
    moment = datetime(day.year, day.month, day.day, 8, tzinfo=UTC) + timedelta(seconds=n % 36_000)
    user = hashlib.sha256(str(talk // _CONVERSATIONS_A_USER).encode()).hexdigest()
    return {
        "turn_id": f"t{n:09d}", "conversation_id": f"v{talk:09d}", "session_id": f"v{talk:09d}#0",
        "turn_index": index + 1, "session_turn_index": index + 1, "is_final": True, "user_id": user,
        "character_id": f"c{int(user[:6], 16) % _CHARACTERS}", "model_version": "m1", "source": "user",
        "locale": exchange.language, "language": exchange.language, "user_message": exchange.message,
        "response": exchange.response or "I see.", "message_ts": moment, "response_ts": moment + timedelta(seconds=2),
        "is_synthetic_time": True, "split": "evaluation" if int(user[-2:], 16) < 26 else "train", "ds": day,
        "run_id": "growth",
    }  # fmt: skip


def made_embeddings(settings: Any, lake: Any, turns: int) -> None:
    """Vectors in place of `curation.embed`'s."""
    from pyspark.sql import functions as F

    from infra.spark import session
    from jobs.curation.diversity.prompts import hashed, prompts
    from jobs.curation.diversity.spaces import pinned
    from jobs.curation.embed import distinct_texts, embedded_schema
    from models.text.encoders import encoder_name, load_encoder

    spark = session(settings)
    rules = pinned(settings.diversity, lake.artifacts)

    def read(name: str) -> Any:
        return spark.read.format("delta").load(lake.path(name))

    texts = prompts(read("curation.screened"), read("curation.screened_characters"), rules)
    texts = distinct_texts(hashed(texts, settings.user_key()), rules).select("text_hash", "encoder", "ds")
    dimensions = {encoder_name(spec): load_encoder(spec).dimension for spec in rules.encoders}
    embedded = texts.mapInArrow(_vectors(dimensions, turns // 20), embedded_schema())
    embedded.withColumns({"recipe": F.lit(rules.recipe), "run_id": F.lit("growth")}).write.format(
        "delta"
    ).mode("append").save(lake.path("curation.embeddings"))
    tell(lake, "curation.embed", "curation.embeddings", DAYS)


def _vectors(
    dimensions: dict[str, int], families: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        topics = np.random.default_rng(1).normal(size=(_TOPICS, max(dimensions.values())))
        for batch in batches:
            rows = []
            for text_hash, encoder in zip(*(batch.column(i).to_pylist() for i in (0, 1)), strict=True):
                seed = int(text_hash[:15], 16)
                root = np.random.default_rng(seed // 10 % families if seed % 10 == 0 else seed)
                row = topics[root.integers(_TOPICS)] + 0.9 * root.normal(size=topics.shape[1])
                row += 0.2 * np.random.default_rng(seed).normal(size=topics.shape[1])
                row = row[: dimensions[encoder]]
                rows.append((row / np.linalg.norm(row)).astype(np.float32))
            column = pa.array(rows, pa.list_(pa.float32()))
            yield pa.RecordBatch.from_arrays([*batch.columns, column], [*batch.schema.names, "embedding"])

    return apply


def one_size(data: Path, seed: int, turns: int, part: str, home: Path) -> dict[str, Any]:
    """The path once: CPU seconds by job, peak memory, and whether the answer is right."""
    from infra.lake import Lake
    from infra.lake.migrate import migrate
    from infra.settings import load_settings
    from infra.spark import session
    from jobs.runner import run_job

    settings = load_settings(home=home, sampling={"allow_smaller": True})
    lake = Lake.of(settings)
    migrate(settings)
    land(lake, data, turns, np.random.default_rng(seed))
    session(settings).range(1).count()
    jobs = ["screen_characters", "screen", "embed", "prune", "outcomes", "sample"]
    if part == _SCREENED:
        land_screened(settings, lake)
        jobs = [job for job in jobs if not job.startswith("screen")]
    seconds = {}
    for job in jobs:
        if job == "embed" and part != _WITH:
            made_embeddings(settings, lake, turns)
            continue
        began = cpu_seconds()
        run_job(settings, f"curation.{job}", DAYS)
        seconds[job] = cpu_seconds() - began
    return {"turns": turns, "seconds": seconds, **answer(settings, lake, turns)}


def answer(settings: Any, lake: Any, turns: int) -> dict[str, Any]:
    """Peak memory, and whether every turn has one outcome and each day and split kept exactly its share."""
    from infra.lake import ledger

    outcomes = ledger.query(
        lake, "SELECT count(*), count(DISTINCT turn_id) FROM curation_outcomes", (), ["curation.outcomes"]
    )
    counts = ledger.query(
        lake,
        "SELECT count(*), sum(kept::int) FROM curation_pruned GROUP BY ds, split",
        (),
        ["curation.pruned"],
    )
    peak = ledger.query(lake, "SELECT max(peak_memory_bytes) FROM ops_runs", (), ["ops.runs"])[0][0]
    share = settings.diversity.keep_proportion
    right = outcomes == [(turns, turns)] and all(some == round(share * total) for total, some in counts)
    return {"right": right, "peak_bytes": peak, "kept": int(sum(some for _, some in counts))}


def exponent(runs: Sequence[dict[str, Any]]) -> float:
    """Slope of log(CPU seconds) over log(turns); NaN with fewer than two sizes."""
    if len(runs) < 2:
        return float("nan")
    size = np.log([run["turns"] for run in runs])
    return float(np.polyfit(size, np.log([sum(run["seconds"].values()) for run in runs]), 1)[0])


def _in_a_process(data: Path, seed: int, turns: int, part: str, place: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="flywheel-growth-", dir=place or None) as home:
        Path(home, "flywheel.toml").write_text("", encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.growth", "--one", f"{turns},{part},{home}"]
        command += ["--data", str(data), "--seed", str(seed)]
        completed = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "FLYWHEEL_HOME": home}
        )
        summary = completed.stdout.splitlines()[-1]
        # Hours may follow: what is known is told at once.
        print(f"{part}: {summary}", file=sys.stderr, flush=True)
        result: dict[str, Any] = json.loads(summary)
    return result


def main() -> bool:
    """All parts, size by size."""
    args = arguments(__doc__, 0, {
        "sizes": ("100000,1000000,3000000", "turns of the part without embedding; empty: none"),
        "embedded-sizes": ("30000,100000,300000", "turns of the part with embedding; empty: none"),
        "screened-sizes": ("", "turns of the part from screened text; empty: none"),
        "place": ("", "directory for the lakes; about 4 kB a turn"),
        "one": ("", "turns,part,home: run one size here; what the race calls itself with"),
    })  # fmt: skip
    if args.one:
        turns, part, home = args.one.split(",", 2)
        print(json.dumps(one_size(args.data, args.seed, int(turns), part, Path(home))))
        return True
    sizes = {_WITH: args.embedded_sizes, _WITHOUT: args.sizes, _SCREENED: args.screened_sizes}
    runs = {
        part: [
            _in_a_process(args.data, args.seed, int(size), part, args.place)
            for size in text.split(",")
            if size
        ]
        for part, text in sizes.items()
    }
    for part, results in runs.items():
        if results:
            print(f"{part[0].upper()}{part[1:]}\n\n{_page(results)}")
    exponents = {part: exponent(results) for part, results in runs.items()}
    figures, met = {}, {"answers": all(run["right"] for results in runs.values() for run in results)}
    names = {
        _WITH: "exponent_with_embedding",
        _WITHOUT: "exponent_without",
        _SCREENED: "exponent_from_screened",
    }
    for part, name in names.items():
        if len(runs[part]) > 1:
            figures[name] = round(exponents[part], 3)
            if name in GOAL:
                met[name] = exponents[part] <= GOAL[name]
    if runs[_WITH]:
        last = runs[_WITH][-1]["seconds"]
        figures["embedding_share"] = round(last["embed"] / sum(last.values()), 3)
        met["embedding_share"] = figures["embedding_share"] >= GOAL["embedding_share"]
    return close("growth", {**figures, "runs": runs}, GOAL, met)


def _page(runs: Sequence[dict[str, Any]]) -> str:
    jobs = list(runs[0]["seconds"])
    rows = [
        (
            f"{run['turns']:,}", *(f"{run['seconds'][job]:,.0f}" for job in jobs),
            f"{sum(run['seconds'].values()):,.0f}", f"{run['turns'] / sum(run['seconds'].values()):,.0f}",
            f"{run['peak_bytes'] / 1e9:.1f}", "yes" if run["right"] else "no",
        )
        for run in runs
    ]  # fmt: skip
    slopes = [
        f"{exponent([{'turns': r['turns'], 'seconds': {job: r['seconds'][job]}} for r in runs]):.2f}"
        for job in jobs
    ]
    last = ("exponent", *slopes, f"{exponent(runs):.2f}", "", "", "")
    return table(("turns", *jobs, "all, CPU s", "turns/s/core", "peak GB", "right"), [*rows, last])


if __name__ == "__main__":
    sys.exit(not main())
