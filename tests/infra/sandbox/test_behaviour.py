"""Behaviour follows truth: people stay and return when, and only when, responses are engaging."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from infra.sandbox import SandboxSettings
from infra.sandbox.behaviour import Product, Trace
from infra.sandbox.experiments import drive, lift_sums
from infra.sandbox.policies import Context, CorpusPolicy, Style, corpus_policies
from infra.sandbox.population import make_user, make_world
from infra.sandbox.settings import BehaviourSettings, ExperimentSettings, PlantingSettings
from tests.infra.sandbox.conftest import Run

QUIET = PlantingSettings(bots=0.0)


def _lift(behaviour: BehaviourSettings, users: int = 60) -> tuple[float, float]:
    settings = SandboxSettings(
        days=4,
        behaviour=behaviour,
        planted=QUIET,
        versions=("V1", "V2", "V5"),
        experiment=ExperimentSettings(control="V1", test="V5"),
    )
    sums = lift_sums(make_world(settings), corpus_policies(settings.versions), range(users))
    control, test = sums["control"], sums["test"]
    return test.days / control.days - 1.0, test.messages / control.messages - 1.0


def test_breadth_and_depth_move_only_with_engagingness() -> None:
    breadth, depth = _lift(BehaviourSettings())
    assert breadth > 0.01
    assert depth > 0.1
    indifferent = BehaviourSettings(return_slope=0.0, continue_slope=0.0, return_base=0.3, continue_base=0.8)
    breadth, depth = _lift(indifferent)
    assert breadth == 0.0
    # Regenerating a dull answer takes a little time of the day, and nothing else.
    assert abs(depth) < 0.01


def test_users_go_on_within_ten_minutes_more_often_after_engaging_responses(sandbox_run: Run) -> None:
    scores = {row["turn_id"]: row["engagingness"] for row in sandbox_run.gold("turns")}
    threads: dict[str, list[tuple[datetime, str, str]]] = defaultdict(list)
    for event in sandbox_run.events.values():
        if event["event_type"] in ("message", "response"):
            at = datetime.fromisoformat(event["event_ts"])
            threads[event["conversation_id"]].append((at, event["event_type"], event.get("turn_id", "")))
    continued: dict[bool, list[bool]] = {True: [], False: []}
    for thread in threads.values():
        thread.sort()
        for (at, kind, turn_id), following in zip(thread, [*thread[1:], None], strict=True):
            if kind == "response" and (following is None or following[1] == "message"):
                soon = following is not None and (following[0] - at).total_seconds() <= 600
                continued[scores[turn_id] > 0.65].append(soon)
    high, low = (sum(continued[k]) / len(continued[k]) for k in (True, False))
    assert high > low + 0.05


def test_versions_differ_as_designed() -> None:
    settings = SandboxSettings(versions=("V1", "V2", "V3", "V4", "V5"), planted=QUIET)
    world, policies = make_world(settings), corpus_policies(settings.versions)
    means = {}
    for version in settings.versions:
        products = [Product(world, make_user(world, i), lambda day, v=version: v) for i in range(30)]  # type: ignore[misc]
        drive(products, policies)
        scores = [row["engagingness"] for p in products for row in p.trace.gold.tables.get("turns", [])]
        means[version] = sum(scores) / len(scores)
    assert means["V4"] < means["V1"] < means["V2"] < means["V3"] < means["V5"] + 0.02


def test_any_policy_may_serve() -> None:
    """A served model implements the protocol and is asked for whole batches."""

    class Echo:
        version = "served-1"

        def __init__(self) -> None:
            self.batches: list[int] = []

        def respond(self, contexts: Sequence[Context]) -> list[str]:
            self.batches.append(len(contexts))
            return [context.messages[-1].text if context.messages else "hello" for context in contexts]

    settings = SandboxSettings(planted=QUIET)
    world = make_world(settings)
    products = [Product(world, make_user(world, i), lambda day: "served-1") for i in range(40)]
    policy = Echo()
    drive(products, {"served-1": policy})
    assert max(policy.batches) > 10
    versions = {
        event.get("model_version")
        for product in products
        for event in product.trace.events
        if event["event_type"] == "response"
    }
    assert versions == {"served-1"}
    assert isinstance(products[0].trace, Trace)


def test_a_policy_is_a_function_of_its_context() -> None:
    policy = CorpusPolicy("V9", Style(temperature=1.0))
    context = Context((), None, "es", "food", 42)
    assert policy.respond([context, context])[0] == policy.respond([context])[0]
    assert policy.version == "V9"
