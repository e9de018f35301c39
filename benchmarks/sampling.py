"""Race of samplers under joint constraints, a thousand random requests, conflicts by design, and a million candidates.

1. Ours beside uniform, top-k by quality, sequential (characters capped, then language quotas by quality) and greedy
   (scarcest floor first, then by quality under the caps) on the same candidates. Every level of five dimensions has a
   floor and a cap around a flattened distribution, beside Table 1's floor and cap. Broken constraints are counted from
   the chosen rows.
2. Random requests drawn around a sample that satisfies them: each must be met exactly.
3. Random requests with a conflict put in: the conflict named must be one, and minimal; the correction named must free
   the request, and no part of it may. An independent integer programme over the full strata is the judge.
4. `--size` candidates, a fifth of them asked for, each in a process of its own: CPU seconds and peak memory of planner,
   drawing and the tables written from it. One turn a conversation, unless there are too few conversations for that.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.optimize import Bounds, LinearConstraint, milp

from benchmarks import candidate_turns, race
from infra.settings import SamplingSettings
from jobs.curation.sample import fates_of, solve
from jobs.curation.sampling.achieved import constraint_rows
from jobs.curation.sampling.attributes import DIMENSIONS
from jobs.curation.sampling.constraints import ANY, NONE, SIZE, Constraint
from jobs.curation.sampling.draw import Request, draw
from jobs.curation.sampling.infeasibility import ConflictingConstraints, Diagnosis
from jobs.curation.sampling.strata import Candidates
from jobs.curation.sampling.supply import Supplies, Supply

RACE_ROWS = 50_000
FEASIBLE, INFEASIBLE, SHARED_TALKS = 1_000, 200, 200
BANDED = ("locale_language", "jtbd", "depth_band", "difficulty_band", "quality_band")
BYTES_PER_CANDIDATE = 4_000  # 4 GB for a million

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]
Columns = Mapping[str, Column]


def main() -> bool:
    """Run the race, the requests and the large draw; print tables and the closing line."""
    options = race.arguments(__doc__, 1_000_000)
    rng = np.random.default_rng(options.seed)
    real = candidate_turns.real(options.data)
    origin = "made-up turns" if real is None else f"{real.num_rows:,} real turns"
    pool = candidate_turns.made_up(rng, RACE_ROWS) if real is None else real
    broken, race_gap = _race(candidate_turns.resized(pool, rng, min(RACE_ROWS, options.size)), rng, origin)
    met = _feasible(rng, FEASIBLE, turns_a_talk=1)
    shared = _feasible(rng, SHARED_TALKS, turns_a_talk=3)
    named = _infeasible(rng, INFEASIBLE)
    tables = {"made up": candidate_turns.made_up(rng, options.size)}
    if real is not None:
        tables["real, repeated"] = candidate_turns.resized(real, rng, options.size)
    large = _large(tables, options.seed)
    figures = {
        "data": origin, "rows": options.size, "broken": broken, "race_gap": race_gap, "feasible": FEASIBLE,
        **met, **{f"several_turns_{name}": value for name, value in shared.items()}, "infeasible": INFEASIBLE,
        **named, "large": large,
    }  # fmt: skip
    return race.close(
        "sampling",
        figures,
        {"broken": 0, "gap": 1e-4, "named_pct": 99, "bytes_per_candidate": BYTES_PER_CANDIDATE},
        {
            "nothing_broken": broken["ours"] == 0
            and not any(
                result[name] for result in (met, shared) for name in ("violations", "wrong_size", "refused")
            ),
            "gap": max(
                race_gap,
                met["largest_gap"],
                shared["largest_gap"],
                *(result["gap"] for result in large.values()),
            )
            <= 1e-4,
            "named": named["named_pct"] >= 99,
            "memory": all(
                result["peak_bytes"] <= max(BYTES_PER_CANDIDATE * options.size, 1e9)
                for result in large.values()
            ),
            "large_exact": all(result["broken"] == 0 for result in large.values()),
        },
    )


# 1. The race


def _race(table: pa.Table, rng: np.random.Generator, origin: str) -> tuple[dict[str, int], float]:
    size = table.num_rows // 5
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in candidate_turns.COLUMNS}
    candidates = Candidates.of(table, DIMENSIONS)
    width = 0.0
    while True:
        width += 0.05
        constraints = _bands(columns, size, width)
        try:
            gap = draw(candidates, _request(size, constraints)).allocation.optimality_gap
            break
        except ConflictingConstraints:
            continue
    sides: dict[str, Callable[[], Mask]] = {
        "ours": lambda: draw(candidates, _request(size, constraints)).selected,
        "uniform": lambda: _mask_of(len(candidates), rng.permutation(len(candidates))[:size]),
        "top-k by quality": lambda: _mask_of(
            len(candidates), np.argsort(-columns["quality"], kind="stable")[:size]
        ),
        "sequential": lambda: _sequential(columns, size, constraints, rng),
        "greedy": lambda: _greedy(columns, size, constraints),
    }
    seconds, answers = race.alternate(sides)
    hard = [item for item in _spelled_out(constraints, columns) if _can_break(item, columns, size)]
    broken = {name: _broken(hard, columns, chosen, size) for name, chosen in answers.items()}
    print(
        f"\n{len(candidates):,} candidates ({origin}), K = {size:,}, {len(hard)} floors and caps that bind, bands of "
        f"{width:.0%} on either side, gap {gap:.1e}\n"
    )
    rows = []
    for name, chosen in answers.items():
        off = sum(
            abs(int((columns[item.dimension][chosen] == item.level).sum()) - item.wanted(size))
            for item in constraints
            if item.kind == "target"
        )
        rows.append((name, int(chosen.sum()), broken[name], f"{off / 2 / len(BANDED) / size:.2%}",
                     f"{columns['quality'][chosen].mean():.3f}", f"{seconds[name]:.2f}"))  # fmt: skip
    print(race.table(["side", "rows", "broken", "rows off target", "mean quality", "CPU s"], rows))
    return broken, gap


def _request(size: int, constraints: Sequence[Constraint]) -> Request:
    return Request(size, tuple(constraints), one_per_conversation=False)


def _bands(columns: Columns, size: int, width: float) -> tuple[Constraint, ...]:
    """Table 1's floor and cap; for every level of the other dimensions a target and a band around it.

    Targets are the shares to the power .7, less where there are not that many rows.
    """
    constraints = [
        Constraint("first_turn", "first", "floor", share=0.1),
        Constraint("character", ANY, "cap", share=0.03),
    ]
    for dimension in BANDED:
        levels, counts = np.unique(columns[dimension].astype(str), return_counts=True)
        counts_wanted = counts**0.7 / (counts**0.7).sum() * size
        short = counts_wanted > 0.8 * counts
        counts_wanted[short] = 0.8 * counts[short]
        counts_wanted[~short] *= (size - counts_wanted[short].sum()) / counts_wanted[~short].sum()
        for level, rows in zip(levels.tolist(), counts_wanted, strict=True):
            constraints += [
                Constraint(dimension, level, "target", count=round(rows)),
                Constraint(dimension, level, "floor", count=int(rows * (1 - width))),
                Constraint(dimension, level, "cap", count=int(rows * (1 + width)) + 1),
            ]
    return tuple(constraints)


def _mask_of(total: int, rows: npt.NDArray[np.integer[Any]]) -> Mask:
    chosen = np.zeros(total, dtype=bool)
    chosen[rows] = True
    return chosen


def _sequential(
    columns: Columns, size: int, constraints: Sequence[Constraint], rng: np.random.Generator
) -> Mask:
    """At most the cap of each character, by chance; then each language's target by quality; then by quality."""
    cap = next(item for item in constraints if item.dimension == "character").wanted(size)
    order = rng.permutation(len(columns["quality"]))
    names = columns["character"][order]
    place = np.empty(len(order), dtype=np.int64)
    by_name = np.argsort(names, kind="stable")
    _, starts, sizes = np.unique(names[by_name], return_index=True, return_counts=True)
    place[by_name] = np.arange(len(order)) - np.repeat(starts, sizes)
    allowed = order[(place < cap) | (names == NONE)]
    allowed = allowed[np.argsort(-columns["quality"][allowed], kind="stable")]
    chosen = np.zeros(len(order), dtype=bool)
    for item in constraints:
        if (item.dimension, item.kind) == ("locale_language", "target"):
            chosen[allowed[columns["locale_language"][allowed] == item.level][: item.wanted(size)]] = True
    remaining = allowed[~chosen[allowed]]
    chosen[remaining[: size - int(chosen.sum())]] = True
    return chosen


def _greedy(columns: Columns, size: int, constraints: Sequence[Constraint]) -> Mask:
    """Rows by quality, for the scarcest unmet floor first, as long as no cap is exceeded; what is short, by quality."""
    caps = {(c.dimension, c.level): c.wanted(size) for c in constraints if c.kind == "cap"}
    character_cap = caps.pop(("character", ANY))
    counts: Counter[tuple[str, str]] = Counter()
    order = np.argsort(-columns["quality"], kind="stable")
    keys = [[(name, level) for level in columns[name].tolist()] for name in DIMENSIONS]
    chosen = np.zeros(len(order), dtype=bool)

    def take(rows: npt.NDArray[np.integer[Any]], enough: Callable[[], bool]) -> None:
        for row in rows.tolist():
            if enough():
                return
            row_keys = [column[row] for column in keys]
            room = all(
                counts[key]
                < caps.get(key, character_cap if key[0] == "character" and key[1] != NONE else size)
                for key in row_keys
            )
            if room and not chosen[row]:
                chosen[row] = True
                counts.update(row_keys)

    floors = [item for item in constraints if item.kind == "floor"]
    supply = {
        item: int((columns[item.dimension] == item.level).sum()) / max(item.wanted(size), 1)
        for item in floors
    }
    for item in sorted(floors, key=lambda item: supply[item]):
        rows, key, want = (
            order[columns[item.dimension][order] == item.level],
            (item.dimension, item.level),
            item.wanted(size),
        )
        take(rows, lambda key=key, want=want: counts[key] >= want or int(chosen.sum()) >= size)  # type: ignore[misc]
    take(order, lambda: int(chosen.sum()) >= size)
    remaining = order[~chosen[order]]
    chosen[remaining[: size - int(chosen.sum())]] = True
    return chosen


def _spelled_out(constraints: Sequence[Constraint], columns: Columns) -> list[Constraint]:
    expanded = []
    for item in constraints:
        levels = sorted(set(columns[item.dimension].tolist()) - {NONE}) if item.level == ANY else [item.level]
        expanded += [replace(item, level=level) for level in levels]
    return expanded


def _can_break(item: Constraint, columns: Columns, size: int) -> bool:
    """Whether a floor or cap rules anything out: a floor of some rows, a cap below the supply."""
    supply = int((columns[item.dimension] == item.level).sum())
    return (item.kind == "floor" and item.wanted(size) > 0) or (
        item.kind == "cap" and supply > item.wanted(size)
    )


def _broken(hard: Sequence[Constraint], columns: Columns, chosen: Mask, size: int) -> int:
    """Floors and caps that the chosen rows do not keep."""
    counts = {name: Counter(columns[name][chosen].tolist()) for name in DIMENSIONS if name in columns}
    return sum(
        have < want if item.kind == "floor" else have > want
        for item in hard
        for have, want in [(counts[item.dimension][item.level], item.wanted(size))]
    )


# 2. Random requests that can be met


_SMALL = ("first_turn", "character", "locale_language", "depth_band", "quality_band")


def _small(rng: np.random.Generator, turns_a_talk: int) -> dict[str, Column]:
    """100 to 1,500 candidates over five dimensions."""
    rows = int(rng.integers(100, 1_500))
    quality = rng.random(rows).round(4)
    characters = [NONE, *(f"c{n}" for n in range(int(rng.integers(2, 12))))]
    languages = [f"l{n}" for n in range(int(rng.integers(1, 6)))]
    return {
        "turn_id": np.array([f"t{row:05}" for row in range(rows)]),
        "conversation_id": np.array([f"k{row // turns_a_talk:05}" for row in range(rows)]),
        "first_turn": rng.choice(["first", "later"], rows, p=[0.3, 0.7]),
        "character": rng.choice(characters, rows, p=rng.dirichlet(np.ones(len(characters)))),
        "locale_language": rng.choice(languages, rows, p=rng.dirichlet(np.ones(len(languages)))),
        "depth_band": rng.choice(["1", "2-5", "6-20"], rows),
        "quality_band": np.where(quality < 0.3, "low", np.where(quality < 0.7, "middle", "high")),
        "quality": quality,
    }


def _around(
    rng: np.random.Generator, columns: Columns, witness: Mask, targets: bool = True
) -> list[Constraint]:
    """Random floors, caps and targets that the witness keeps to."""
    size, constraints = int(witness.sum()), []
    for name in _SMALL:
        for level in sorted(set(columns[name].tolist())):
            have = int((columns[name][witness] == level).sum())
            match rng.choice(["floor", "cap", "target", "none"], p=[0.3, 0.3, 0.3, 0.1]):
                case "floor":
                    constraints.append(Constraint(name, level, "floor", count=int(rng.integers(0, have + 1))))
                case "cap" if level != NONE:
                    constraints.append(Constraint(name, level, "cap", count=have + int(rng.integers(0, 4))))
                case "target" if targets:
                    share = round(float(rng.random()), 3)
                    constraints.append(
                        Constraint(name, level, "target", share=share, weight=float(rng.integers(1, 4)))
                    )
    names = columns["character"][witness]
    fullest = max(Counter(names[names != NONE].tolist()).values(), default=0)
    return [*constraints, Constraint("character", ANY, "cap", share=min(1.0, (fullest + 1) / size))]


def _witness(rng: np.random.Generator, columns: Columns) -> Mask:
    """Rows of some size, one a conversation."""
    order = rng.permutation(len(columns["turn_id"]))
    _, first = np.unique(columns["conversation_id"][order], return_index=True)
    able = order[first]
    return _mask_of(len(order), rng.choice(able, int(rng.integers(1, len(able) + 1)), replace=False))


def _feasible(rng: np.random.Generator, count: int, turns_a_talk: int) -> dict[str, Any]:
    violations = wrong = refused = branched = 0
    largest, began = 0.0, time.process_time()
    for seed in range(count):
        columns = _small(rng, turns_a_talk)
        witness = _witness(rng, columns)
        size, constraints = int(witness.sum()), _around(rng, columns, witness)
        try:
            drawn = draw(Candidates.of(pa.table(columns), _SMALL), Request(size, tuple(constraints), seed))
        except ConflictingConstraints:
            refused += 1
            continue
        hard = [item for item in _spelled_out(constraints, columns) if item.kind != "target"]
        named = {(item.dimension, item.level) for item in constraints if item.kind == "cap"}
        hard = [i for i in hard if i in constraints or (i.dimension, i.level) not in named]
        violations += _broken(hard, columns, drawn.selected, size)
        talks = columns["conversation_id"][drawn.selected]
        wrong += int(drawn.selected.sum()) != size or len(set(talks.tolist())) != size
        largest = max(largest, drawn.allocation.optimality_gap)
        branched += drawn.allocation.bound == "branch_and_bound"
    print(
        f"{count:,} random requests, {turns_a_talk} turn(s) a conversation: {violations} constraints broken, {wrong} "
        f"of wrong size, {refused} refused, largest gap {largest:.1e} ({branched} by branch and bound), "
        f"{time.process_time() - began:.0f} CPU s\n"
    )
    return {
        "violations": violations, "wrong_size": wrong, "refused": refused, "largest_gap": largest,
        "branch_and_bound": branched,
    }  # fmt: skip


# 3. Conflicts by design


@dataclass(frozen=True)
class Judge:
    """Whether whole rows exist, by an integer programme over the full strata: shares no code with the planner's."""

    columns: Columns
    size: int

    def holds(self, constraints: Sequence[Constraint], exact_size: bool = True) -> bool:
        """Whether some sample keeps to the floors and caps: of exactly K rows, or of any number."""
        cells, supply = np.unique(
            np.stack([self.columns[name].astype(str) for name in _SMALL]), axis=1, return_counts=True
        )
        rows, lower, upper = (
            [np.ones(len(supply))],
            [self.size if exact_size else 0],
            [self.size if exact_size else np.inf],
        )
        own = {(c.dimension, c.level) for c in constraints if c.kind == "cap"}
        for item in _spelled_out(constraints, self.columns):
            if item in constraints or (item.dimension, item.level) not in own:
                rows.append((cells[_SMALL.index(item.dimension)] == item.level).astype(float))
                lower.append(item.wanted(self.size) if item.kind == "floor" else 0)
                upper.append(np.inf if item.kind == "floor" else item.wanted(self.size))
        answer = milp(
            np.zeros(len(supply)),
            constraints=LinearConstraint(np.vstack(rows), lower, upper),
            bounds=Bounds(0, supply),
            integrality=np.ones(len(supply)),
        )
        return answer.x is not None


def _infeasible(rng: np.random.Generator, count: int) -> dict[str, Any]:
    kinds = list(_CONFLICTS)
    proper: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    members: Counter[int] = Counter()
    while sum(tried.values()) < count:
        kind = kinds[sum(tried.values()) % len(kinds)]
        columns = _small(rng, turns_a_talk=1)
        witness = _witness(rng, columns)
        background = _around(rng, columns, witness, targets=False)
        size = int(witness.sum())
        injected = _CONFLICTS[kind](rng, columns, size)
        names = {item.name for item in injected}
        constraints = [*(item for item in background if item.name not in names), *injected]
        judge = Judge(columns, size)
        if judge.holds(constraints) or not judge.holds(
            [item for item in constraints if item not in injected]
        ):
            continue
        tried[kind] += 1
        try:
            draw(Candidates.of(pa.table(columns), _SMALL), Request(size, tuple(constraints)))
        except ConflictingConstraints as error:
            proper[kind] += _proper(error.diagnosis, judge, constraints, names)
            members[len(error.diagnosis.conflict)] += 1
    rows = [(kind, tried[kind], proper[kind]) for kind in kinds]
    print(race.table(["conflict put in", "requests", "named properly"], rows))
    print(f"Members of the conflict named: {dict(sorted(members.items()))}\n")
    return {"named_pct": 100 * sum(proper.values()) / sum(tried.values()), "named_by_kind": dict(proper)}


def _proper(found: Diagnosis, judge: Judge, constraints: Sequence[Constraint], injected: set[str]) -> bool:
    """The conflict is one, minimal, and holds what was put in; the correction frees the request, and no part does."""
    conflict = {member.name for member in found.conflict}
    correction = {member.name for member in found.correction}
    exact = SIZE in conflict
    together = [item for item in constraints if item.name in conflict]
    minimal = all(judge.holds([c for c in together if c is not item], exact) for item in together)
    is_conflict = not judge.holds(together, exact) and minimal and (not exact or judge.holds(together, False))

    def freed_without(names: set[str]) -> bool:
        return judge.holds([item for item in constraints if item.name not in names], SIZE not in names)

    frees = freed_without(correction) and not any(freed_without(correction - {name}) for name in correction)
    return is_conflict and bool(conflict & injected) and frees and bool(correction & (conflict | injected))


def _scarce(rng: np.random.Generator, columns: Columns, size: int) -> list[Constraint]:
    """A floor above the supply of its level."""
    name = str(rng.choice(_SMALL))
    level = str(rng.choice(columns[name]))
    supply = int((columns[name] == level).sum())
    return [Constraint(name, level, "floor", count=supply + int(rng.integers(1, 9)))]


def _crowded(rng: np.random.Generator, columns: Columns, size: int) -> list[Constraint]:
    """Floors on all levels of a dimension that add up to more than K."""
    name = str(rng.choice(["first_turn", "depth_band"]))
    levels, supply = np.unique(columns[name], return_counts=True)
    shares = np.minimum(supply, np.ceil((size + int(rng.integers(1, 9))) * supply / supply.sum()))
    return [
        Constraint(name, str(one), "floor", count=int(rows)) for one, rows in zip(levels, shares, strict=True)
    ]


def _capped(rng: np.random.Generator, columns: Columns, size: int) -> list[Constraint]:
    """Caps on all levels of a dimension that add up to less than K."""
    name = str(rng.choice(["first_turn", "depth_band", "quality_band"]))
    levels = sorted(set(columns[name].tolist()))
    parts = rng.multinomial(max(0, size - int(rng.integers(1, 9))), np.ones(len(levels)) / len(levels))
    return [Constraint(name, one, "cap", count=int(rows)) for one, rows in zip(levels, parts, strict=True)]


def _crossed(rng: np.random.Generator, columns: Columns, size: int) -> list[Constraint]:
    """A floor on a level, and caps elsewhere that leave it too few rows."""
    level = str(rng.choice(columns["locale_language"]))
    held = columns["locale_language"] == level
    floor = min(size, int(held.sum()))
    depths = sorted(set(columns["depth_band"].tolist()))
    parts = rng.multinomial(max(0, floor - int(rng.integers(1, 9))), np.ones(len(depths)) / len(depths))
    caps = [
        Constraint("depth_band", one, "cap", count=int(rows)) for one, rows in zip(depths, parts, strict=True)
    ]
    return [Constraint("locale_language", level, "floor", count=floor), *caps]


def _twice(rng: np.random.Generator, columns: Columns, size: int) -> list[Constraint]:
    """Two floors, each above the supply of its level."""
    found = {item.name: item for _ in range(9) for item in _scarce(rng, columns, size)}
    by_dimension = {item.dimension: item for item in found.values()}
    return list(by_dimension.values())[:2]


_CONFLICTS: dict[str, Callable[[np.random.Generator, Columns, int], list[Constraint]]] = {
    "floor above supply": _scarce,
    "floors above K": _crowded,
    "caps below K": _capped,
    "floor against caps": _crossed,
    "two at once": _twice,
}


# 4. The large draw


def _large(tables: Mapping[str, pa.Table], seed: int) -> dict[str, Any]:
    """Each table in a process of its own, which reads it from a file."""
    found: dict[str, Any] = {}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            path = Path(folder) / "candidates.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            with context.Pool(1) as pool:
                found[name] = pool.apply(_measured, (str(path), seed))
    rows = [
        (name, f"{one['candidates']:,}", f"{one['size']:,}", f"{one['strata']:,}", one["one_per_conversation"],
         one["broken"], f"{one['gap']:.1e}",
         f"{one['cpu_seconds']:.1f}", f"{one['peak_bytes'] / 1e9:.2f}", f"{one['base_bytes'] / 1e9:.2f}")
        for name, one in found.items()
    ]  # fmt: skip
    head = [
        "candidates",
        "rows",
        "K",
        "strata",
        "one a conversation",
        "broken",
        "gap",
        "CPU s",
        "peak GB",
        "of it, imports GB",
    ]
    print(race.table(head, rows))
    return found


def _measured(path: str, seed: int) -> dict[str, Any]:
    """Solve with the default settings at K = a fifth; first turns, characters and size recounted from the fates."""
    base = _peak_bytes()
    began = time.process_time()
    with pa.OSFile(path) as source:
        table = pa.ipc.open_file(source).read_all()
    size = table.num_rows // 5
    found = _traffic(table)
    talks = len(table.column("conversation_id").unique())
    rules = SamplingSettings(
        sample_size={"train": size}, sample_share={}, seed=seed, one_per_conversation=talks >= 1.2 * size
    )
    solved = solve("train", table, table.num_rows, found, rules)
    fates, rows = fates_of(solved), constraint_rows(solved, found)
    cpu_seconds, peak = time.process_time() - began, _peak_bytes()
    assert solved.drawn is not None
    chosen = table.filter(pa.compute.equal(fates.column("outcome"), "selected"))
    names = Counter(chosen.column("character").to_pylist())
    del names[NONE]
    firsts = chosen.column("first_turn").to_pylist().count("first")
    alone = len(chosen.column("conversation_id").unique()) == size
    broken = [chosen.num_rows != size, firsts < -(-size // 10), max(names.values()) > 3 * size // 100,
              rules.one_per_conversation and not alone]  # fmt: skip
    return {
        "candidates": table.num_rows, "size": size, "one_per_conversation": rules.one_per_conversation,
        "strata": len(solved.drawn.allocation.selected),
        "constraints": len(rows), "broken": sum(broken), "gap": solved.drawn.allocation.optimality_gap,
        "cpu_seconds": cpu_seconds, "peak_bytes": peak, "base_bytes": base,
    }  # fmt: skip


def _traffic(table: pa.Table) -> Supplies:
    """Traffic whose levels are the candidates' own, a tenth more or less, so that targets are not met by chance."""
    found = {}
    for name in DIMENSIONS:
        counts = table.column(name).combine_chunks().value_counts()
        for at, one in enumerate(sorted(counts.to_pylist(), key=lambda one: str(one["values"]))):
            rows = int(one["counts"] * (1.1 if at % 2 else 0.9)) + 1
            found["train", name, one["values"]] = Supply(rows, rows, rows)
    return found


def _peak_bytes() -> int:
    """Peak resident memory of this process. Linux: getrusage would count the parent's, from before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
