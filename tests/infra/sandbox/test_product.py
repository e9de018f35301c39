"""A run of the sandbox: its bytes depend on the settings alone, and its gold is about what landed."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import resource
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.sandbox import SandboxSettings, generate
from infra.sandbox.behaviour import Product
from infra.sandbox.experiments import drive
from infra.sandbox.faults import HUGE, MALFORMED
from infra.sandbox.policies import corpus_policies
from infra.sandbox.population import make_user, make_world
from infra.sandbox.product import simulate_shard
from tests.infra.sandbox.conftest import Run, landed_lines, perform

REPOSITORY = Path(__file__).resolve().parents[3]


def _bytes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_bytes_depend_on_neither_workers_nor_the_run(tmp_path: Path) -> None:
    settings = SandboxSettings(turns=400, characters=12, shard_users=8)
    settings = settings.model_copy(
        update={"planted": settings.planted.model_copy(update={"huge_line_bytes": 2000})}
    )
    one = perform(settings, tmp_path / "one").summary
    perform(settings, tmp_path / "two", workers=2)
    perform(settings, tmp_path / "two")  # again, over its own files
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")
    assert one.turns > 200
    perform(settings.model_copy(update={"seed": 8}), tmp_path / "other")
    assert _bytes(tmp_path / "one") != _bytes(tmp_path / "other")


def test_nothing_half_written_remains(sandbox_run: Run) -> None:
    assert not [path for path in sandbox_run.landing.rglob("_*") if path.is_file()]
    assert not list(sandbox_run.truth.glob("_*"))
    assert sandbox_run.summary.lines == sandbox_run.lines
    assert sandbox_run.summary.turns == len(sandbox_run.gold("turns"))


def test_turns_are_about_the_target(sandbox_run: Run) -> None:
    assert 0.6 < sandbox_run.summary.turns / sandbox_run.settings.turns < 1.6


def test_prompts_are_mostly_distinct(sandbox_run: Run) -> None:
    by_language: dict[str, list[str]] = defaultdict(list)
    for event in sandbox_run.events.values():
        if event["event_type"] == "message":
            by_language[event["locale"][:2]].append(event["payload"].get("text", ""))
    texts = [text for found in by_language.values() for text in found]
    assert len(set(texts)) >= 0.6 * len(texts)
    assert set(by_language) == {"en", "es", "hi"}


@pytest.mark.parametrize("table", ["identifiers", "unsafe", "lookalikes", "near_duplicates", "reactions"])
def test_gold_is_about_events_that_landed(sandbox_run: Run, table: str) -> None:
    rows = sandbox_run.gold(table)
    assert rows
    assert all(row["event_id"] in sandbox_run.events for row in rows)
    turns = {row["turn_id"] for row in sandbox_run.gold("turns")}
    assert all(row["turn_id"] in turns for row in rows if "turn_id" in row)
    served = {e["turn_id"] for e in sandbox_run.events.values() if e["event_type"] == "response"}
    assert turns == served


def test_identifier_spans_hold_the_identifier(sandbox_run: Run) -> None:
    conflicting = {
        row["event_id"] for row in sandbox_run.gold("event_faults") if row["kind"] == "conflicting_duplicate"
    }
    rows = sandbox_run.gold("identifiers")
    for row in rows:
        payload = sandbox_run.events[row["event_id"]]["payload"]
        text = payload.get("text", payload.get("instructions"))
        shown = text[row["start"] : row["end"]]
        assert shown
        if row["event_id"] not in conflicting and row["obfuscation"] == "none":
            assert shown == row["value"]
        if row["obfuscation"] == "split":
            assert shown in row["value"]
            assert shown != row["value"]
    assert {row["where"] for row in rows} == {"user_message", "response", "character_instructions"}
    assert len({row["entity"] for row in rows}) >= 15
    assert len({row["obfuscation"] for row in rows}) >= 8
    assert {row["language"] for row in rows} == {"en", "es", "hi", "hi-Latn"}


def test_planted_counts_match_their_rates(sandbox_run: Run) -> None:
    planted, events = sandbox_run.settings.planted, sandbox_run.summary.events
    messages = sum(1 for e in sandbox_run.events.values() if e["event_type"] == "message")
    faults = Counter(
        row["kind"] for row in sandbox_run.gold("event_faults") if not row["event_id"].startswith("e-offline")
    )
    expected = {
        "late": planted.late_events * events,
        "future": planted.future_events * events,
        "duplicate": planted.duplicate_events * events,
        "conflicting_duplicate": planted.conflicting_duplicates * events,
    }
    for kind, mean in expected.items():
        assert abs(faults[kind] - mean) < 5 * mean**0.5, kind
    firsts = [
        row for row in sandbox_run.gold("identifiers") if row["where"] == "user_message" and row["part"] == 1
    ]
    mean = planted.identifiers_in_messages * messages
    # Family members and second halves leave no room for another plant, hence the wider lower side.
    assert 0.6 * mean < len(firsts) < 1.4 * mean
    kinds = Counter(row["kind"] for row in sandbox_run.gold("malformed"))
    assert set(kinds) == {*MALFORMED, HUGE}
    assert abs(sum(kinds.values()) - planted.malformed_lines * events - 6) < 5 * (events * 0.002) ** 0.5


def test_malformed_gold_points_at_the_line(sandbox_run: Run) -> None:
    lines: dict[str, list[bytes]] = {}
    for row in sandbox_run.gold("malformed"):
        if row["file"] not in lines:
            folder = sandbox_run.landing / row["file"]
            lines[row["file"]] = list(landed_lines_of(folder))
        line = lines[row["file"]][row["line"] - 1]
        if row["kind"] not in ("truncated_json",) and b'"event_id"' in line:
            assert row["event_id"].encode() in line
        if row["kind"] == "bad_utf8":
            with pytest.raises(UnicodeDecodeError):
                line.decode()
        if row["kind"] == HUGE:
            assert len(line) > sandbox_run.settings.planted.huge_line_bytes


def landed_lines_of(path: Path) -> list[bytes]:
    """Lines of one file."""
    with gzip.open(path, "rb") as lines:
        return list(lines)


def test_duplicates_and_conflicts_are_what_gold_says(sandbox_run: Run) -> None:
    seen: dict[str, list[str]] = defaultdict(list)
    for line in landed_lines(sandbox_run.landing):
        try:
            event = json.loads(line.decode())
        except ValueError:
            continue
        if "event_id" in event:
            seen[event["event_id"]].append(json.dumps(event["payload"], sort_keys=True))
    twice = {event_id: len(set(payloads)) for event_id, payloads in seen.items() if len(payloads) > 1}
    gold = {
        row["event_id"]: row["kind"]
        for row in sandbox_run.gold("event_faults")
        if row["kind"] in ("duplicate", "conflicting_duplicate")
    }
    assert set(twice) == set(gold)
    assert all(count == (1 if gold[event_id] == "duplicate" else 2) for event_id, count in twice.items())


def test_the_log_has_the_depth_of_a_product(sandbox_run: Run) -> None:
    """Greetings before any message, consecutive messages, messages without response, rejected responses."""
    threads: dict[str, list[str]] = defaultdict(list)
    for event in sorted(sandbox_run.events.values(), key=lambda e: (str(e["event_ts"]), e["event_id"])):
        if event["event_type"] in ("message", "response", "regenerate"):
            threads[event.get("conversation_id", "")].append(event["event_type"][0])
    words = ["".join(kinds) for kinds in threads.values()]
    assert any(word.startswith("rm") for word in words)
    assert any("mm" in word for word in words)
    assert any(word.endswith("m") for word in words)
    assert any("rrr" in word or "rer" in word or "eg" in word for word in words) or any(
        event["event_type"] == "regenerate" for event in sandbox_run.events.values()
    )
    assert {"user", "internal"} == {event["source"] for event in sandbox_run.events.values()}


def test_users_in_two_arms_and_bots(sandbox_run: Run) -> None:
    arms: dict[str, set[str]] = defaultdict(set)
    for event in sandbox_run.events.values():
        if event["event_type"] == "exposure" and "arm" in event["payload"]:
            arms[event["user_id"]].add(event["payload"]["arm"])
    gold = {row["user_id"]: row for row in sandbox_run.gold("users")}
    both = {user for user, found in arms.items() if len(found) == 2}
    assert both == {user for user, row in gold.items() if row["in_two_arms"]}
    assert all(row["arm"] in arms[user] for user, row in gold.items() if user in arms)


def test_true_lift_has_the_designed_sign(sandbox_run: Run) -> None:
    lift = sandbox_run.summary.true_lift_pct
    assert lift["engagingness"] > 5
    assert lift["depth"] > 5
    settings = sandbox_run.settings
    same = (
        settings.experiment.model_copy(update={"control": "V3", "test": "V2"})
        if settings.experiment
        else None
    )
    world = make_world(settings.model_copy(update={"experiment": same}))
    _, sums = simulate_shard(world, corpus_policies(settings.versions), range(60))
    assert sums["test"].messages < sums["control"].messages
    equal = same.model_copy(update={"control": "V2", "test": "V2"}) if same else None
    world = make_world(settings.model_copy(update={"experiment": equal}))
    _, sums = simulate_shard(world, corpus_policies(settings.versions), range(30))
    assert sums["test"] == sums["control"]  # common random numbers: no arm, no difference at all


def test_batches_do_not_change_what_a_user_does() -> None:
    settings = SandboxSettings(turns=300, characters=12)
    world, policies = make_world(settings), corpus_policies(settings.versions)

    def live(indices: range) -> list[Product]:
        products = [Product(world, make_user(world, i), lambda day: "V2") for i in indices]
        drive(products, policies)
        return products

    together = live(range(12))
    for index in (0, 5, 11):
        alone = live(range(index, index + 1))[0]
        assert alone.trace.events == together[index].trace.events


@pytest.mark.nightly
def test_memory_does_not_grow_with_the_turns(tmp_path: Path) -> None:
    settings = SandboxSettings(turns=300, users=40, characters=12, shard_users=20, experiment=None)
    perform(settings, tmp_path / "small")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    big = settings.model_copy(update={"users": 400})
    generate(big, tmp_path / "big" / "landing", tmp_path / "big" / "truth")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 40_000


def test_a_version_that_nobody_serves_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"sandbox\.versions lacks V9"):
        SandboxSettings(live_version="V9")


def test_no_job_dag_or_model_reads_the_truth() -> None:
    for folder in ("jobs", "dags", "models"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    imported = [node.module or ""]
                else:
                    imported = []
                assert not any(name.startswith("infra.sandbox") for name in imported), path
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert "truth/" not in node.value, path
