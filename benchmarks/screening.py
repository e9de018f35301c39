"""Screening race: turns a CPU second on real conversations, where the time goes, and whether verdicts have changed.

    OMP_NUM_THREADS=1 python -m benchmarks.screening --data ../shared/data --size 3000
    python -m benchmarks.screening --dump verdicts.jsonl.gz        # by the code of before (PYTHONPATH of its checkout)
    python -m benchmarks.screening --compare verdicts.jsonl.gz     # by the code of now: every difference is listed

One process and, by OMP_NUM_THREADS, one thread. Conversations are screened whole, 2,000 turns at a time, as
`curation.screen` does. Where --data has no chat logs, lines of chatterbot-corpus stand in and the output says so. A
comparison also reads texts with planted identifiers and whatever labelled sets --data holds, one text at a time without
a conversation.
"""

from __future__ import annotations

import gzip
import json
import math
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, cast

from benchmarks.privacy_corpus import harmless, structured
from benchmarks.race import arguments, close, table
from infra.settings import ScreeningSettings
from models.screening.verdict import (
    ScreeningPolicy,
    Turn,
    TurnVerdict,
    detectors_of,
    screen_conversations,
)
from models.text.language.romanised_hindi import corpus_lines

GOAL = {"turns_per_second": 1_000}
TOLERANCE = 1e-6
_TURNS_AT_ONCE = 2_000
_SAMPLE_SECONDS = 0.002
# Files of chatlogs/ that belong together; the label of the table.
SETS = {
    "convai2 (volunteers, bots)": ("convai2_",),
    "topical_chat": ("topical_chat_",),
    "xpersona, English": ("xpersona_en_",),
    "hh_rlhf_harmless": ("hh_rlhf_",),
    "character_interviews": ("character_interviews_",),
    "dailydialog, English": ("dailydialog_en",),
    "dailydialog, German": ("dailydialog_de",),
    "dailydialog and xpersona, Italian": ("dailydialog_it", "xpersona_it_"),
    "dailydialog and xpersona, Chinese": ("dailydialog_zh", "xpersona_zh_"),
    "xpersona, French": ("xpersona_fr_",),
}
# The stage of a sample is that of the innermost frame that one of these names: part of the file's path.
STAGES = (
    ("names", "screening/privacy/names"),
    ("name model", "screening/privacy/rampart"),
    ("names", "screening/privacy/evidence"),
    ("split identifiers", "screening/privacy/split"),
    ("safety", "screening/safety/"),
    ("language", "text/language/"),
    ("privacy rules", "screening/privacy/"),
    ("deadlines", "screening/deadline"),
    ("verdicts and batching", "screening/"),
)


# --- data ------------------------------------------------------------------------------------------------


def conversations(data: Path, prefixes: Sequence[str], size: int, seed: int) -> list[list[Turn]]:
    """Whole conversations in seeded order until they hold `size` turns; one turn an answer of the character."""
    talks = []
    for path in sorted((data / "chatlogs").glob("*.jsonl.gz")):
        if path.name.startswith(tuple(prefixes)):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                talks += [json.loads(line) for line in lines]
    Random(seed).shuffle(talks)
    drawn: list[list[Turn]] = []
    remaining = size
    for talk in talks:
        turns = _turns(
            str(talk["conversation_id"]), talk["messages"], (talk.get("character") or {}).get("name")
        )
        if turns and remaining > 0:
            drawn.append(turns)
            remaining -= len(turns)
    return drawn


def _turns(conversation: str, messages: Sequence[dict[str, Any]], name: str | None) -> list[Turn]:
    turns: list[Turn] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "user":
            waiting.append(message["content"])
        elif message["content"]:
            turns.append(
                Turn(
                    f"{conversation}#{len(turns)}",
                    "\n".join(waiting) or None,
                    message["content"],
                    character_names=(name,) if name else (),
                )
            )
            waiting = []
    return turns


def stand_in(size: int) -> list[list[Turn]]:
    """Conversations of ten turns from chatterbot-corpus."""
    lines = [line for folder in ("english", "spanish", "german", "hinglish") for line in corpus_lines(folder)]
    pairs = [(lines[2 * n % len(lines)], lines[(2 * n + 1) % len(lines)]) for n in range(size)]
    return [
        [Turn(f"{start}-{n}", *pair) for n, pair in enumerate(pairs[start : start + 10])]
        for start in range(0, size, 10)
    ]


def odd_texts(data: Path, size: int) -> dict[str, list[list[Turn]]]:
    """Sets on which a difference would show: planted identifiers, split ones too, harmless numbers, labelled sets.

    The larger `size`, the more of them.
    """
    planted = [
        [Turn(f"planted{n}-{m}", text, "ok") for m, text in enumerate(case.texts or (case.text,))]
        for n, case in enumerate(structured(11, max(1, size // 250)))
    ]
    numbers = [
        [Turn(f"harmless{n}", text.text, text.text)] for n, text in enumerate(harmless(11, size * 3 // 4))
    ]
    sets = {"planted identifiers": planted, "harmless numbers": numbers}
    for folder, texts in _labelled(data, size * 7 // 20):
        sets.setdefault(folder, []).extend([Turn(f"{folder}{n}", text, text)] for n, text in enumerate(texts))
    return sets


def _labelled(data: Path, most: int) -> Iterator[tuple[str, list[str]]]:
    """Every text cell of the labelled sets of identifiers, safety and language, as they stand in their files."""
    folders = (
        "presidio_research", "xstest", "advbench", "do_not_answer", "toxicchat_positives", "hinglish_norm",
        "multilingual_hatecheck", "mhj_multiturn", "jailbreak_in_the_wild", "oasst_prompts", "convabuse", "hatemoji",
    )  # fmt: skip
    for folder in folders:
        for path in sorted((data / folder).glob("*.gz")):
            with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
                text = file.read()
            lines = [line.strip()[:6_000] for line in text.splitlines() if len(line) > 8]
            if path.name.endswith(".json.gz"):
                lines = [value[:6_000] for value in _strings(json.loads(text)) if len(value) > 8]
            yield folder, Random(3).sample(lines, min(most, len(lines)))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


# --- screening -------------------------------------------------------------------------------------------


def screen(talks: Sequence[Sequence[Turn]], policy: ScreeningPolicy) -> list[TurnVerdict]:
    """Verdicts of all turns, batched as the job does."""
    verdicts: list[TurnVerdict] = []
    batch: list[Sequence[Turn]] = []
    for turns in talks:
        batch.append(turns)
        if sum(map(len, batch)) >= _TURNS_AT_ONCE:
            verdicts += [
                verdict
                for batch_verdicts in screen_conversations(batch, policy)
                for verdict in batch_verdicts
            ]
            batch = []
    return verdicts + [
        verdict for batch_verdicts in screen_conversations(batch, policy) for verdict in batch_verdicts
    ]


class Samples:
    """CPU seconds by stage, sampled. A sample weighs what has passed since the last: signals wait for native code."""

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self._last = 0

    def __enter__(self) -> Samples:
        signal.signal(signal.SIGPROF, self._look)
        self._last = time.process_time_ns()
        signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        now = time.process_time_ns()
        weight, self._last = now - self._last, now
        while frame is not None:
            file, name = frame.f_code.co_filename, frame.f_code.co_name
            for stage, part in STAGES:
                if part in file:
                    self.stages[stage] += weight
                    self.places[f"{Path(file).stem}.{name}:{frame.f_lineno}"] += weight
                    return
            frame = frame.f_back
        self.stages["other"] += weight

    def shares(self) -> dict[str, float]:
        """Share of the samples by stage, the largest first."""
        total = max(sum(self.stages.values()), 1)
        return {stage: count / total for stage, count in self.stages.most_common()}


# --- results ---------------------------------------------------------------------------------------------


def plain(verdict: TurnVerdict) -> list[Any]:
    """All of a verdict as JSON values."""
    parts = [
        [v.verdict, list(v.reasons), [[s.start, s.end, s.type, s.score] for s in v.spans], v.redacted,
         v.safety_category, v.safety_score, v.uncertainty]
        for v in (verdict.user_message, verdict.response)
    ]  # fmt: skip
    return [
        verdict.turn_id, verdict.verdict, list(verdict.reasons), verdict.is_split, verdict.safety_category,
        verdict.safety_score, verdict.uncertainty, parts,
    ]  # fmt: skip


def equal(left: object, right: object) -> bool:
    """Whether two plain verdicts are the same: numbers within TOLERANCE, all else exactly."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, float) and isinstance(right, float | int):
        return math.isclose(left, right, rel_tol=0, abs_tol=TOLERANCE)
    return left == right


def dump(path: Path, sets: dict[str, list[TurnVerdict]]) -> None:
    """Write every verdict, one JSON line each."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as out:
        for name, verdicts in sets.items():
            for verdict in verdicts:
                out.write(json.dumps([name, plain(verdict)], ensure_ascii=True) + "\n")


def compare(path: Path, sets: dict[str, list[TurnVerdict]]) -> tuple[int, list[tuple[str, object, object]]]:
    """How many verdicts were compared, and those that differ: set, before, now."""
    now = [
        (name, json.loads(json.dumps(plain(verdict))))
        for name, verdicts in sets.items()
        for verdict in verdicts
    ]
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        before = [json.loads(line) for line in lines]
    if len(before) != len(now):
        raise ValueError(
            f"{len(before)} verdicts before and {len(now)} now: dump with the same --data and --size"
        )
    differing = [
        (name, old, new) for (name, old), (_, new) in zip(before, now, strict=True) if not equal(old, new)
    ]
    return len(now), differing


# --- the race --------------------------------------------------------------------------------------------


def main() -> bool:
    """Run the race; true when all sets together reach the goal and no verdict differs from the verdicts of before."""
    options = arguments(
        __doc__,
        size=3_000,
        more={
            "dump": ("", "write the verdicts to this file"),
            "compare": ("", "compare with the verdicts in this file"),
            "only": ("", "sets whose name holds this"),
            "places": ("0", "list so many of the busiest lines"),
        },
    )
    settings = ScreeningSettings()
    detectors_of(settings).load(settings.languages)
    policy = ScreeningPolicy.of(settings)
    talks = {
        name: conversations(options.data, prefixes, options.size, options.seed)
        for name, prefixes in SETS.items()
        if options.only in name
    }
    talks = {name: conversation_list for name, conversation_list in talks.items() if conversation_list}
    is_real = bool(talks)
    talks = talks or {"chatterbot-corpus": stand_in(options.size)}
    for conversation_list in talks.values():  # compiled, warm
        screen(conversation_list[:30], policy)
    rates: dict[str, float] = {}
    results: dict[str, list[TurnVerdict]] = {}
    samples = Samples()
    rows = []
    seconds_in_all = 0.0
    for name, talk in talks.items():
        began = time.process_time()
        with samples:
            results[name] = screen(talk, policy)
        seconds = time.process_time() - began
        seconds_in_all += seconds
        turns = len(results[name])
        rates[name] = turns / seconds
        characters = sum(len(t.user_message or "") + len(t.response) for turns in talk for t in turns)
        rows.append((name, f"{turns:,}", f"{characters / turns:,.0f}", f"{rates[name]:,.0f}"))
    all_turns = sum(map(len, results.values()))
    rate = all_turns / seconds_in_all
    rows.append(("all", f"{all_turns:,}", "", f"{rate:,.0f}"))
    print(table(("conversations", "turns", "characters a turn", "turns / CPU s"), rows))
    print(
        table(("stage", "share of the CPU"), [(k, f"{100 * v:.0f} %") for k, v in samples.shares().items()])
    )
    for place, count in samples.places.most_common(int(options.places)):
        print(f"{count / 1e9:8.2f} s  {place}")
    compared: dict[str, object] = {}
    passed = {"turns_per_second": rate >= GOAL["turns_per_second"]}
    if options.dump or options.compare:
        for name, talk in odd_texts(options.data, options.size).items() if not options.only else ():
            results[name] = screen(talk, policy)
        if options.dump:
            dump(Path(options.dump), results)
        if options.compare:
            count, differing = compare(Path(options.compare), results)
            compared = {"verdicts_compared": count, "verdicts_differing": len(differing)}
            passed["same_verdicts"] = not differing
            for name, old, new in differing[:40]:
                print(name, cast("list[Any]", old)[0], "before", old, "now", new, sep="\n  ", file=sys.stderr)
    figures = {
        "data": "real chat logs" if is_real else "chatterbot-corpus",
        "turns": sum(map(len, results.values())),
        "turns_per_second": round(rate),
        "turns_per_second_by_set": {name: round(rate_of_set) for name, rate_of_set in rates.items()},
        "shares": {name: round(share, 3) for name, share in samples.shares().items()},
        **compared,
    }
    return close("screening", figures, GOAL, passed)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
