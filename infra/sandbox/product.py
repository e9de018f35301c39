"""One run of the sandbox: shards of users simulated side by side, written in the order of the shards."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from infra.sandbox.annotators import TRUTH, judgements
from infra.sandbox.behaviour import DAY, Product
from infra.sandbox.characters import revised
from infra.sandbox.experiments import (
    LiftSums,
    assigned_arm,
    definition,
    drive,
    expose,
    lift_sums,
    version_of,
)
from infra.sandbox.faults import HUGE, MALFORMED, Line, as_logged, deliver, encode, malformed
from infra.sandbox.planting import Gold, Row, instructions_with_identifier
from infra.sandbox.policies import STYLES, Policy, corpus_policies
from infra.sandbox.population import World, make_user, make_world, mix
from infra.sandbox.settings import SandboxSettings
from infra.sandbox.summary import SandboxSummary
from infra.sandbox.words import user_message
from infra.sandbox.writer import SandboxWriter, ShardResult, pack

PILOT_USERS = 150
PILOT_OFFSET = 1 << 27
Shard = tuple[ShardResult, dict[str, LiftSums]]

_process_world: tuple[World, dict[str, Policy]] | None = None


def _prepare(settings: SandboxSettings) -> None:
    global _process_world
    _process_world = (make_world(settings), corpus_policies(settings.versions))


def _run_in_process(indices: range) -> Shard:
    if _process_world is None:
        raise RuntimeError("the process was not prepared")
    return simulate_shard(*_process_world, indices)


def _product(world: World, index: int) -> Product:
    user = make_user(world, index)
    return Product(world, user, version_of(world, assigned_arm(world.settings, user)))


def users_for(world: World, policies: dict[str, Policy]) -> int:
    """How many users the target of turns wants, by the turns of a pilot whose users are not in the run."""
    settings = world.settings
    if settings.users is not None:
        return settings.users
    pilot = [_product(world, PILOT_OFFSET + number) for number in range(PILOT_USERS)]
    drive(pilot, policies)
    per_user = sum(product.trace.turns for product in pilot) / PILOT_USERS
    return max(1, round(settings.turns / max(per_user, 0.1)))


def simulate_shard(world: World, policies: dict[str, Policy], indices: range) -> Shard:
    """All that the users of a shard did, as lines to land and gold, and their sums under both arms."""
    settings = world.settings
    products = [_product(world, index) for index in indices]
    drive(products, policies)
    gold = Gold()
    events: list[Row] = []
    for product in products:
        user, arm = product.user, assigned_arm(settings, product.user)
        if arm is not None and settings.experiment is not None:
            expose(product, settings.experiment, arm)
        gold.add(
            "users",
            user_id=user.user_id,
            language=user.language,
            source=user.source,
            is_bot=user.is_bot,
            arm=arm,
            in_two_arms=user.in_two_arms and arm is not None and bool(product.trace.events),
            effect=round(user.effect, 6),
            messages=sum(product.trace.messages_by_day.values()),
        )
        events.extend(product.trace.events)
        for table, rows in product.trace.gold.tables.items():
            gold.tables.setdefault(table, []).extend(rows)
    draw = Random(mix(settings.seed, 12, indices.start))
    lines = deliver(events, settings.planted, draw, gold)
    judged = judgements(world, policies, products, gold)
    turns = sum(product.trace.turns for product in products)
    result = pack(lines, gold, len(events), turns, judged)
    lift_indices = range(
        indices.start, min(indices.stop, settings.experiment.lift_users if settings.experiment else 0)
    )
    return result, lift_sums(world, policies, lift_indices) if lift_indices else {}


def simulate_world(world: World, users: int) -> ShardResult:
    """What belongs to no user's stay: characters, messages a phone kept for weeks, one broken line of each kind."""
    settings, gold = world.settings, Gold()
    start = datetime.combine(settings.start, datetime.min.time(), UTC).timestamp()
    draw = Random(mix(settings.seed, 13))
    events = _character_events(world, start, gold)
    lines = [Line(event["event_ts"] + 0.5, event["event_id"], b"") for event in events]
    lines = [
        Line(line.received, line.event_id, encode(as_logged(event, line.received)))
        for line, event in zip(lines, events, strict=True)
    ]
    rates = settings.planted
    if rates.late_events > 0:
        offline = max(6, round(settings.turns * rates.late_events * 0.3))
        events = [*events, *_offline_messages(world, users, offline, start, draw, gold, lines)]
    if rates.malformed_lines > 0:
        kinds = (*MALFORMED, *([HUGE] * (1 + settings.turns // 1_000_000)))
        for number, kind in enumerate(kinds):
            lines.append(malformed(events[-1 - number % len(events)], kind, start + 60.0, draw, rates))
    for day, index in sorted(world.bursts.items()):
        character = world.characters[index]
        gold.add(
            "bursts",
            day=day,
            character_id=character.character_id,
            topic=character.topic,
            share=rates.burst_share,
        )
    return pack(lines, gold, len(events), 0)


def _character_events(world: World, start: float, gold: Gold) -> list[Row]:
    """Creation of every character at the start, and a revision of every fifth during the run."""
    settings = world.settings
    events: list[Row] = []
    for index, character in enumerate(world.characters):
        versions = [(start, character)]
        if index % 5 == 0 and settings.days > 1:
            moment = start + DAY * (0.5 + (index % (settings.days - 1)))
            versions.append((moment, revised(character, settings.seed)))
        for number, (at, version) in enumerate(versions):
            planted = instructions_with_identifier(
                version.instructions, version.language, settings.seed, index * 2 + number, settings.planted
            )
            event_id = f"e-{character.character_id}-{number}"
            if planted.table:
                gold.add(
                    planted.table,
                    event_id=event_id,
                    character_id=character.character_id,
                    where="character_instructions",
                    **planted.row,
                )
            events.append(
                {
                    "event_id": event_id,
                    "event_ts": at + index * 0.001,
                    "event_type": "character_update",
                    "source": "user",
                    "character_id": character.character_id,
                    "locale": character.language,
                    "payload": {
                        "name": version.name,
                        "traits": list(version.traits),
                        "instructions": planted.text,
                        "creator_id": version.creator_id,
                        "state": version.state,
                    },
                }
            )
            gold.add(
                "characters",
                character_id=character.character_id,
                version=number,
                topic=version.topic,
                language=version.language,
                traits=list(version.traits),
                popularity_rank=index,
            )
    return events


def _offline_messages(
    world: World, users: int, count: int, start: float, draw: Random, gold: Gold, lines: list[Line]
) -> list[Row]:
    """Messages written 1 to `late_days_max` days before they arrive within the run: some are over any limit."""
    settings = world.settings
    events: list[Row] = []
    for number in range(count):
        user = make_user(world, int(draw.random() * users))
        received = start + draw.random() * settings.days * DAY
        late = 1 + number % settings.planted.late_days_max if number >= 2 else settings.planted.late_days_max
        event_id = f"e-offline-{number:06d}"
        character = world.characters[user.favourites[0]]
        event: Row = {
            "event_id": event_id,
            "event_ts": received - late * DAY - 3600.0 * draw.random(),
            "event_type": "message",
            "source": user.source,
            "surface": user.surface,
            "user_id": user.user_id,
            "locale": user.locale,
            "payload": {"text": user_message(user.speaker, character.topic, draw)},
            "conversation_id": f"c-offline-{number:06d}",
            "character_id": character.character_id,
        }
        events.append(event)
        lines.append(Line(received, event_id, encode(as_logged(event, received))))
        day = datetime.fromtimestamp(received, UTC).date().isoformat()
        gold.add(
            "event_faults",
            event_id=event_id,
            kind="late",
            event_type="message",
            days_late=late,
            received_ds=day,
        )
    return events


def _shards(settings: SandboxSettings, shards: list[range], workers: int) -> Iterator[Shard]:
    """Results in the order of the shards, with a few in flight: memory does not grow with their number."""
    if workers <= 1:
        _prepare(settings)
        yield from map(_run_in_process, shards)
        return
    # Spawned, not forked: the caller may hold threads or a JVM.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=(settings,)) as pool:
        flying: deque[Future[Shard]] = deque()
        for shard in shards:
            flying.append(pool.submit(_run_in_process, shard))
            if len(flying) > 2 * workers:
                yield flying.popleft().result()
        while flying:
            yield flying.popleft().result()


def run_name(settings: SandboxSettings) -> str:
    """The name of a run's files: another run with the same settings writes the same files."""
    digest = hashlib.blake2b(settings.model_dump_json().encode(), digest_size=5).hexdigest()
    return f"sandbox-{digest}"


def run(
    settings: SandboxSettings,
    landing: Path,
    truth: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> SandboxSummary:
    """Simulate, write, and sum up; see `infra.sandbox.generate`."""
    world = make_world(settings)
    policies = corpus_policies(settings.versions)
    users = users_for(world, policies)
    shards = [
        range(first, min(first + settings.shard_users, users))
        for first in range(0, users, settings.shard_users)
    ]
    writer = SandboxWriter(landing, truth, run_name(settings))
    counts: Counter[str] = Counter()
    lifts: dict[str, LiftSums] = {"control": LiftSums(), "test": LiftSums()}
    first = simulate_world(world, users)
    writer.add(first)
    counts.update(first.counts)
    for done, (result, sums) in enumerate(_shards(settings, shards, workers), start=1):
        writer.add(result)
        counts.update(result.counts)
        for arm, total in sums.items():
            lifts[arm].add(total)
        if progress is not None:
            progress(done, len(shards))
    true_lift = _write_documents(writer, world, lifts)
    files = writer.finish()
    return SandboxSummary(
        users=users,
        turns=counts["turns"],
        events=counts["events"],
        lines=counts["lines"],
        judgements=counts["judgements"],
        files=files,
        first_received=min(writer.days),
        last_received=max(writer.days),
        planted={
            t: n
            for t, n in sorted(writer.gold_rows.items())
            if t not in ("turns", "users", "characters", TRUTH)
        },
        true_lift_pct=true_lift,
    )


def _write_documents(writer: SandboxWriter, world: World, lifts: dict[str, LiftSums]) -> dict[str, float]:
    settings = world.settings
    writer.write_document("settings", settings.model_dump(mode="json"))
    writer.write_document(
        "weights",
        {f"{language}/{topic}": w._asdict() for (language, topic), w in world.truth.weights.items()},
    )
    writer.write_document("models", {version: vars(STYLES[version]) for version in settings.versions})
    if settings.experiment is None:
        return {}
    experiment = definition(settings, lifts)
    writer.write_document("experiment", experiment)
    truth: dict[str, dict[str, float | None]] = experiment["truth"]
    return {metric: v["lift_pct"] for metric, v in truth.items() if v["lift_pct"] is not None}
