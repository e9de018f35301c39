"""Experiments in the sandbox: exposure events as a product logs them, and the true lift of breadth and depth.

The true lift runs the same users under both arms with common random numbers. Breadth is the mean over exposed
users of the share of the window's days on which they sent a message after exposure (eq. 9-11); depth is the
mean number of messages of users who sent any (eq. 12-13); lift is 100 (T/C - 1) (eq. 14).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from infra.assignment import arm_of
from infra.sandbox.behaviour import DAY, Product, Request, Trace
from infra.sandbox.planting import Row
from infra.sandbox.policies import Policy
from infra.sandbox.population import User, World, make_user
from infra.sandbox.settings import ExperimentSettings, SandboxSettings

BATCH = 256


def window(settings: SandboxSettings) -> range:
    """The days of the experiment that the run covers, counted from its first day."""
    experiment = settings.experiment
    if experiment is None:
        return range(0)
    return range(experiment.start_day, min(settings.days, experiment.start_day + experiment.days))


def version_of(world: World, arm: str | None) -> Callable[[int], str]:
    """Which model serves a user of an arm on a day."""
    settings, days = world.settings, window(world.settings)
    experiment = settings.experiment
    if experiment is None or arm is None:
        return lambda day: settings.live_version
    served = experiment.control if arm == "control" else experiment.test
    return lambda day: served if day in days else settings.live_version


def drive(products: Sequence[Product], policies: dict[str, Policy]) -> None:
    """Let users live side by side: what they ask of one model version is answered in one batch."""
    waiting: list[tuple[Product, object, Request]] = []
    fresh = list(reversed(products))
    while fresh or waiting:
        while fresh and len(waiting) < BATCH:
            product = fresh.pop()
            stay = product.live()
            request = next(stay, None)
            if request is not None:
                waiting.append((product, stay, request))
        waiting = _answer(waiting, policies)


def _answer(waiting: list[tuple[Product, object, Request]], policies: dict[str, Policy]) -> list:  # type: ignore[type-arg]
    by_version: dict[str, list[int]] = {}
    for place, (_, _, (version, _)) in enumerate(waiting):
        by_version.setdefault(version, []).append(place)
    answers: list[str] = [""] * len(waiting)
    for version, places in by_version.items():
        responses = policies[version].respond([waiting[place][2][1] for place in places])
        for place, response in zip(places, responses, strict=True):
            answers[place] = response
    active = []
    for (product, stay, _), answer in zip(waiting, answers, strict=True):
        try:
            active.append((product, stay, stay.send(answer)))  # type: ignore[attr-defined]
        except StopIteration:
            continue
    return active


def expose(product: Product, experiment: ExperimentSettings, arm: str) -> None:
    """Log an exposure before the first event of each day in the window; some users see both arms."""
    settings, user = product.world.settings, product.user
    days = window(settings)
    first: dict[int, float] = {}
    for event in product.trace.events:
        day = int((event["event_ts"] - product.start) // DAY)
        if day in days:
            first[day] = min(first.get(day, event["event_ts"]), event["event_ts"])
    both = user.in_two_arms
    assigned = product.start + experiment.start_day * DAY
    for day, at in sorted(first.items()):
        arms = [arm, "test" if arm == "control" else "control"] if both and day == min(first) else [arm]
        for place, exposed_arm in enumerate(arms):
            product.log(
                "exposure",
                at - 0.5 + 0.2 * place,
                None,
                {
                    "experiment_id": experiment.experiment_id,
                    "arm": exposed_arm,
                    "assigned_ts": assigned,
                    "eligible": user.source == "user",
                },
            )


@dataclass
class LiftSums:
    """Sums over users that were run under both arms, by arm: they add over shards."""

    users: int = 0
    days: int = 0
    engaged_users: int = 0
    messages: int = 0
    turns: int = 0
    engagingness: float = 0.0

    def add(self, other: LiftSums) -> None:
        """Add the sums of other users."""
        self.users += other.users
        self.days += other.days
        self.engaged_users += other.engaged_users
        self.messages += other.messages
        self.turns += other.turns
        self.engagingness += other.engagingness


def lift_sums(world: World, policies: dict[str, Policy], indices: range) -> dict[str, LiftSums]:
    """Run eligible users of a range under both arms and add up what they did in the window."""
    days = window(world.settings)
    sums = {}
    for arm in ("control", "test"):
        version = version_of(world, arm)
        users: list[User] = [make_user(world, index) for index in indices]
        products = [Product(world, u, version) for u in users if u.source == "user" and not u.is_bot]
        drive(products, policies)
        total = LiftSums()
        for product in products:
            total.add(_of_trace(product.trace, days))
        sums[arm] = total
    return sums


def _of_trace(trace: Trace, days: range) -> LiftSums:
    active = [trace.messages_by_day[day] for day in days if trace.messages_by_day.get(day)]
    if not active:
        return LiftSums()
    turns: list[Row] = [row for row in trace.gold.tables.get("turns", []) if row["day"] in days]
    return LiftSums(
        users=1,
        days=len(active),
        engaged_users=1,
        messages=sum(active),
        turns=len(turns),
        engagingness=sum(row["engagingness"] for row in turns),
    )


def definition(settings: SandboxSettings, sums: dict[str, LiftSums]) -> Row:
    """The experiment as designed, and its true values and lifts."""
    experiment = settings.experiment
    if experiment is None:
        raise ValueError("sandbox.experiment is not set")
    days = window(settings)
    row: Row = {
        "experiment_id": experiment.experiment_id,
        "arms": {"control": experiment.control, "test": experiment.test},
        "share_per_arm": experiment.share_per_arm,
        "salt": experiment.experiment_id,
        "start_ds": (settings.start + timedelta(days=days.start)).isoformat(),
        "end_ds": (settings.start + timedelta(days=max(days.start, days.stop - 1))).isoformat(),
        "truth": {},
    }
    values: dict[str, dict[str, float]] = {"breadth": {}, "depth": {}, "engagingness": {}}
    for arm, total in sums.items():
        values["breadth"][arm] = total.days / max(1, total.users * len(days))
        values["depth"][arm] = total.messages / max(1, total.engaged_users)
        values["engagingness"][arm] = total.engagingness / max(1, total.turns)
    for metric, by_arm in values.items():
        control, test = by_arm.get("control", 0.0), by_arm.get("test", 0.0)
        lift = 100.0 * (test / control - 1.0) if control else None
        row["truth"][metric] = {"control": control, "test": test, "lift_pct": lift}
    row["users_run_under_both_arms"] = sums["control"].users if sums else 0
    return row


def assigned_arm(settings: SandboxSettings, user: User) -> str | None:
    """The arm of a user, or None outside the experiment."""
    experiment = settings.experiment
    return None if experiment is None else arm_of(user.user_id, experiment.experiment_id, experiment.shares)


def declaration(settings: SandboxSettings) -> str:
    """The experiment as a definition file (TOML) for `flywheel experiment declare`.

    The window is the whole of the experiment, also where the run ends before it.
    """
    experiment = settings.experiment
    if experiment is None:
        raise ValueError("sandbox.experiment is not set")
    first = settings.start + timedelta(days=experiment.start_day)
    shares = "\n".join(f"{arm} = {share}" for arm, share in experiment.shares.items())
    return f"""# The sandbox's experiment: {experiment.test} (test) against {experiment.control} (control).
experiment_id = "{experiment.experiment_id}"
title = "Model {experiment.test} against {experiment.control}, simulated users"
owner = "sandbox"
salt = "{experiment.experiment_id}"
control_arm = "control"
eligibility = "users of production traffic; vendors and experts are not eligible"
start_ds = {first.isoformat()}
end_ds = {(first + timedelta(days=experiment.days - 1)).isoformat()}
metrics = ["breadth", "depth"]
segments = ["language", "surface"]

[shares]
{shares}
"""
