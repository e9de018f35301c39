"""The definition of an experiment: declared in a file before the start, never changed after it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from deltalake import DeltaTable
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.assignment import arm_of
from infra.errors import DefinitionRefused, ExperimentUnknown
from infra.ids import NAME_HINT, is_plain_name
from infra.lake import Lake, ledger
from infra.lake.facts import ids_are_keyed
from infra.settings import Settings
from infra.write.decisions import deciding
from jobs.declaration import readers_of
from jobs.experiments.comparison import METRICS
from jobs.plan import Plan

TABLE = "experiments.definitions"
QUANTITY = "messages"
"""The base quantity of the unit tables: what metrics of a readout are made from."""
Segment = Literal["locale", "language", "surface", "tenure"]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class Definition(BaseModel):
    """An experiment as its owner declares it (section 2.5.2, appendix B)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment_id: str = Field(pattern=_NAME, description="The id that exposure events carry.")
    title: str = Field(min_length=1, max_length=200, description="What is tested, in one line.")
    owner: str = Field(min_length=1, max_length=100, description="Person or team to ask.")
    control_arm: str = Field("control", description="The arm that the others are compared with.")
    shares: dict[str, float] = Field(
        description="Arm to its share of eligible users: about 0.1 each, the control as large as a test arm."
    )
    salt: str = Field(
        min_length=1, max_length=100, description="Salt of the assignment hash. Each experiment has its own."
    )
    eligibility: str = Field(
        min_length=1, max_length=500, description="Who may be assigned: the same for every arm."
    )
    start_ds: date = Field(description="First day of the window, UTC.")
    end_ds: date = Field(description="Last day, included; seven days are the paper's.")
    metrics: tuple[str, ...] = Field(
        ("breadth", "depth"),
        min_length=1,
        description="Primary metrics. Holm corrects over them and all test arms.",
    )
    segments: tuple[Segment, ...] = Field(
        (), description="Also read out by these columns, without a verdict."
    )
    bot_messages_per_day: int = Field(
        500, ge=1, description="A user who sent more messages on one day before first exposure is a bot."
    )
    several_arms: Literal["drop", "first_arm"] = Field(
        "drop",
        description="What becomes of a user who saw several arms: dropped from all, or counted in the first one seen.",
    )
    winsor_quantile: float = Field(
        0.99, gt=0.5, le=1, description="Pooled quantile of engaged users at which messages are cut."
    )

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms, in the order of the file."""
        return tuple(self.shares)

    @property
    def test_arms(self) -> tuple[str, ...]:
        """All arms but the control."""
        return tuple(arm for arm in self.shares if arm != self.control_arm)

    @property
    def window_days(self) -> int:
        """Days of the window: |D| of equation 10 on its last day."""
        return (self.end_ds - self.start_ds).days + 1

    def day_number(self, day: date) -> int:
        """Cumulative day k of `day`, from 1."""
        return (day - self.start_ds).days + 1

    def covers(self, day: date) -> bool:
        """Whether `day` is in the window."""
        return self.start_ds <= day <= self.end_ds

    def state(self, today: date) -> str:
        """planned, running or ended."""
        if today < self.start_ds:
            return "planned"
        return "running" if today <= self.end_ds else "ended"

    def arm_of(self, user_id: str) -> str | None:
        """The arm that the user is assigned to, or None."""
        return arm_of(user_id, self.salt, self.shares)

    @model_validator(mode="after")
    def _consistent(self) -> Definition:
        for arm, share in self.shares.items():
            if not arm or not (0 < share <= 1) or not math.isfinite(share):
                raise ValueError(f"shares: arm {arm!r} needs a share above 0 and at most 1")
        if len(self.shares) < 2:
            raise ValueError("shares: an experiment needs a control and at least one test arm")
        if sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError("shares: the shares add up to more than 1")
        if self.control_arm not in self.shares:
            raise ValueError(f"control_arm: {self.control_arm!r} is not an arm in shares")
        if self.end_ds < self.start_ds:
            raise ValueError("end_ds: the window ends before it starts")
        if unknown := sorted(set(self.metrics) - set(METRICS)):
            raise ValueError(f"metrics: {unknown[0]!r} is not one of {', '.join(METRICS)}")
        if len(set(self.metrics)) < len(self.metrics) or len(set(self.segments)) < len(self.segments):
            raise ValueError("metrics and segments: a name occurs twice")
        return self


@dataclass(frozen=True)
class Declared:
    """A definition, and when it was declared."""

    definition: Definition
    declared_ts: datetime


def read_definition(path: Path) -> Definition:
    """The definition in a TOML file.

    Raises:
        DefinitionRefused: names the entry that is wrong and what would be right.
    """
    try:
        with path.open("rb") as file:
            return Definition.model_validate(tomllib.load(file))
    except tomllib.TOMLDecodeError as error:
        raise DefinitionRefused(f"{path.name} is not valid TOML: {error}", hint="Fix the file.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place, reason = (
            ".".join(str(part) for part in first["loc"]),
            first["msg"].removeprefix("Value error, "),
        )
        if not place and ": " in reason:
            place, reason = reason.split(": ", 1)
        raise DefinitionRefused(
            reason, table=TABLE, setting=place or None,
            hint=f"Change it in {path.name}; see docs/experiments.md.",
        ) from None  # fmt: skip


def declare(settings: Settings, wanted: Definition, today: date | None = None) -> str:
    """Put a definition in force and mark the days of its window that were run before; returns what was done.

    The same definition again changes nothing. Another one is accepted until the experiment starts.

    Raises:
        DefinitionRefused: the experiment has started, by the calendar or by its first exposure; or the window is
            longer than `experiments.max_window_days`; or its salt is another experiment's; or landing would hash its id
            or the name of an arm.
        LockHeld: somebody else is declaring.
    """
    lake, today = Lake.of(settings), today or ledger.now().date()
    longest = settings.experiments.max_window_days
    if wanted.window_days > longest:
        raise DefinitionRefused(
            f"the window of {wanted.experiment_id} has {wanted.window_days} days; the maximum is {longest}",
            table=TABLE, setting="experiments.max_window_days", hint="Shorten the window or raise the setting.",
        )  # fmt: skip
    _refuse_hashed_names(lake, wanted)
    # Under the lock: two people who declare at once see each other.
    with deciding(settings, "experiments.declare", TABLE) as mine:
        known = definitions(lake)
        _refuse_shared_salt(wanted, known)
        if (before := known.get(wanted.experiment_id)) is not None:
            if before == wanted and before.arms == wanted.arms:
                return "already declared, nothing changed"
            _refuse_started(lake, before, wanted, today)
        now = ledger.now()
        row = wanted.model_dump(mode="python") | {
            "declared_ts": now,
            "arms": list(wanted.arms),
            "metrics": list(wanted.metrics),
            "segments": list(wanted.segments),
            "definition": wanted.model_dump_json(),
            "ds": now.date(),
        }
        mine.record([row])
        marked = _mark_window(settings, lake, wanted, mine.run_id)
    again = f"; {marked} day(s) that were run before are stale: flywheel run --stale" if marked else ""
    return ("definition updated" if before else "declared") + again


def _refuse_hashed_names(lake: Lake, wanted: Definition) -> None:
    """Exposures would carry a hash where the definition has a name, and count for nobody."""
    if not ids_are_keyed(lake):
        return
    for place, name in (("experiment_id", wanted.experiment_id), *(("shares", arm) for arm in wanted.arms)):
        if not is_plain_name(name):
            raise DefinitionRefused(
                f"{place}: landing would replace {name!r} with a hash, because such a name could hold an identifier",
                table=TABLE, setting=place,
                hint=NAME_HINT,
            )  # fmt: skip


def definitions(lake: Lake, version: int | None = None) -> dict[str, Definition]:
    """The definitions in force, by experiment, in the order of their ids; of an earlier version of the table."""
    declared = _last_of_each(_declared(lake.open(TABLE, version), {}))
    return {name: one.definition for name, one in sorted(declared.items())}


def definition(lake: Lake, experiment_id: str) -> Definition:
    """The definition in force of one experiment.

    Raises:
        ExperimentUnknown: it was never declared; says which were.
    """
    known = definitions(lake)
    if experiment_id not in known:
        raise undeclared(experiment_id, known)
    return known[experiment_id]


def undeclared(experiment_id: str, known: Iterable[str]) -> ExperimentUnknown:
    """The error for an experiment that is none of the known ones."""
    named = ", ".join(known)
    known_ids = f"Available: {named}." if named else "No experiment is declared yet."
    return ExperimentUnknown(
        f"no experiment {experiment_id!r} is declared", table=TABLE,
        hint=f"{known_ids} Declare one: flywheel experiment declare FILE",
    )  # fmt: skip


class DefinitionVersions:
    """The first version of `experiments.definitions` at which each definition is as it is at `latest`.

    A readout names that one: what other experiments declare later leaves it as it is.
    """

    def __init__(self, lake: Lake, latest: int) -> None:
        self._lake, self.latest = lake, latest
        self._files: dict[str, list[Declared]] = {}
        self._read: dict[int, dict[str, Declared]] = {}

    @cached_property
    def in_force(self) -> dict[str, Definition]:
        """Definitions at `latest`, by experiment."""
        return {name: one.definition for name, one in sorted(self._at(self.latest).items())}

    def of(self, experiment_id: str) -> int:
        """By bisection: the table is append-only, so a definition that stands stays."""
        wanted, low, high = self._at(self.latest)[experiment_id], 0, self.latest
        while low < high:
            middle = (low + high) // 2
            if self._at(middle).get(experiment_id) == wanted:
                high = middle
            else:
                low = middle + 1
        return high

    def _at(self, version: int) -> dict[str, Declared]:
        if version not in self._read:
            self._read[version] = _last_of_each(_declared(self._lake.open(TABLE, version), self._files))
        return self._read[version]


def _declared(table: DeltaTable, files: dict[str, list[Declared]]) -> list[Declared]:
    """All that was ever declared; `files` keeps what each file of the table holds, which never changes."""
    declared: list[Declared] = []
    for fragment in table.to_pyarrow_dataset().get_fragments():
        if fragment.path not in files:
            rows = fragment.to_table(columns=["declared_ts", "definition"]).to_pylist()
            files[fragment.path] = [
                Declared(Definition.model_validate_json(row["definition"]), row["declared_ts"])
                for row in rows
            ]
        declared += files[fragment.path]
    return declared


def _last_of_each(declared: Iterable[Declared]) -> dict[str, Declared]:
    ordered = sorted(declared, key=lambda row: row.declared_ts)
    return {row.definition.experiment_id: row for row in ordered}


def _refuse_shared_salt(wanted: Definition, known: Mapping[str, Definition]) -> None:
    for other in known.values():
        if other.salt == wanted.salt and other.experiment_id != wanted.experiment_id:
            raise DefinitionRefused(
                f"{wanted.experiment_id} has the same salt as {other.experiment_id}: users would get "
                "the same arms in both experiments",
                table=TABLE, setting="salt", hint="Use a different salt.",
            )  # fmt: skip


def _refuse_started(lake: Lake, before: Definition, wanted: Definition, today: date) -> None:
    changed = [name for name in Definition.model_fields if getattr(before, name) != getattr(wanted, name)]
    changed = changed or ["order of arms"]  # which the hash is divided in
    exposed = ledger.query(
        lake, "SELECT count(*) FROM experiments_assignments WHERE experiment_id = ?", [wanted.experiment_id],
        ["experiments.assignments"],
    )[0][0]  # fmt: skip
    if exposed or today >= before.start_ds:
        why = f"{exposed:,} users were exposed" if exposed else f"it started on {before.start_ds}"
        raise DefinitionRefused(
            f"{wanted.experiment_id} cannot change its {', '.join(changed)} any more: {why}",
            table=TABLE, day=before.start_ds,
            hint="Declare a new experiment with its own id and salt.",
        )  # fmt: skip


def _mark_window(settings: Settings, lake: Lake, wanted: Definition, run_id: str) -> int:
    """Days of the window that were run without the definition run again."""
    plan, marked = Plan(settings), set[date]()
    for job in readers_of(TABLE):
        ran = [date.fromisoformat(unit) for unit in plan.successes(job)]
        days = [day for day in ran if wanted.covers(day)]
        ledger.mark_stale(lake, job.name, days, f"{wanted.experiment_id} was declared", run_id)
        marked |= set(days)
    return len(marked)
