"""Works out what must run, and why. `flywheel plan`, reruns and the nightly repair all use this.

A unit of work is due when it never succeeded, when the settings it declares changed, when the content of something it
read changed, when a model it uses is another version, or when it was marked stale. Content is compared by the ledger's
hashes, so a rerun that makes the same rows makes nothing downstream due.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import UpstreamMissing
from infra.lake import Lake, ledger
from infra.settings import Settings, parse_days, span_of
from jobs.declaration import LANDING, Job, Reach, all_jobs, is_landed, landing_zones, writer_of

if TYPE_CHECKING:
    from jobs.landing.zone import Unread


@dataclass(frozen=True)
class Due:
    """One unit of work that must run, and why."""

    job: str
    days: tuple[date, ...]
    reason: str
    scope: str | None = None

    @property
    def span(self) -> str:
        """The days as `flywheel run --days` takes them."""
        return span_of(self.days)


class Plan:
    """What is due, from one snapshot of the ledger."""

    def __init__(self, settings: Settings, versions: Mapping[str, int] | None = None) -> None:
        """Plan for the current state of the lake.

        Args:
            versions: tables that a run is to read at certain versions, whatever was written since.
        """
        self.settings = settings
        self.versions = dict(versions or {})
        self.lake = Lake.of(settings)
        self._contents: dict[str, dict[date, str]] = {}
        self._prefixes: dict[str, tuple[list[date], list[str]]] = {}
        self._models: dict[str, str] = {}
        self._settings_hashes: dict[str, str] = {}

    @cached_property
    def _open_marks(self) -> list[ledger.Mark]:
        return ledger.open_marks(self.lake)

    @cached_property
    def marks(self) -> dict[tuple[str, date], str]:
        """Open marks: (job, day) to cause."""
        return {(mark.job, mark.ds): mark.cause for mark in self._open_marks}

    def marks_of(self, job: Job, days: Iterable[date]) -> list[ledger.Mark]:
        """The open marks of the job on these days, as they were when the plan first read them."""
        of_days = set(days)
        return [mark for mark in self._open_marks if mark.job == job.name and mark.ds in of_days]

    @cached_property
    def _successes(self) -> dict[tuple[str, str], dict[str, ledger.Success]]:
        return ledger.successes(self.lake)

    def successes(self, job: Job, table: str | None = None) -> dict[str, ledger.Success]:
        """Last success by unit, of the job's closing table unless another is named."""
        return self._successes.get((table or job.closing_table, job.name), {})

    @cached_property
    def _expired_before(self) -> dict[str, date]:
        return ledger.expired_before(self.lake)

    @cached_property
    def _scopes(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """(job, settings hash) to scope and last input versions of each dataset or model. One read of the ledger."""
        rows = ledger.query(
            self.lake,
            """SELECT job, settings_hash, scope, last(input_versions ORDER BY coalesce(sequence, -1), ended_ts)
               FROM ops_runs WHERE state = 'succeeded' AND scope IS NOT NULL GROUP BY ALL ORDER BY scope""",
            [],
            ["ops.runs"],
        )
        scopes: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for job, settings_hash, scope, versions in rows:
            scopes.setdefault((job, settings_hash), []).append((scope, versions))
        return scopes

    def is_expired(self, job: Job, day: date) -> bool:
        """Whether retention deleted the inputs of the day, so that the job cannot make it again."""
        sources = {name for name in job.reads if is_landed(name)} | set(job.tables_awaited)
        return any(day < self._expired_before.get(name, date.min) for name in sources)

    def forget(self) -> None:
        """Drop the cached ledger; the next call reads it again."""
        self._contents.clear()
        self._prefixes.clear()
        for name in ("marks", "_open_marks", "_successes", "_scopes", "_expired_before"):
            self.__dict__.pop(name, None)

    def settings_hash(self, job: Job) -> str:
        """Hash of the settings that change the job's result."""
        if job.name not in self._settings_hashes:
            self._settings_hashes[job.name] = self.settings.hash_of(job.settings)
        return self._settings_hashes[job.name]

    def scope(self, job: Job, days: Sequence[date]) -> str | None:
        """Id of the dataset or model that the job would build from these days. None for a job that runs day by day.

        Name, window and settings hash of a dataset; name, last day and settings hash for a job over all batches;
        name and settings hash of a separate model or generation.
        """
        if job.is_daily:
            return None
        section = getattr(self.settings, job.settings[0].split(".")[0])
        parts = [str(getattr(section, "name", job.name.split(".")[1]))]
        if job.unit == "window":
            parts += [f"{days[0]:%Y%m%d}", f"{days[-1]:%Y%m%d}"]
        elif job.unit == "batch":
            parts.append(f"{days[-1]:%y%m%d}")
        parts.append(self.settings_hash(job)[:8])
        parts += [f"{table.split('.')[1]}{number}" for table, number in sorted(self.versions.items())]
        return "-".join(parts)

    def content(self, table: str, day: date) -> str | None:
        """Content hash of a day of a table from the ledger. None when no run of the day succeeded."""
        if is_landed(table):
            from jobs.landing.zone import landing_fingerprint

            return landing_fingerprint(self.lake.landing_of(table), day)
        if table not in self._contents:
            # Tables written by commands (reviews, definitions) have no content hash: changes mark days stale.
            writer = writer_of(table)
            known = self.successes(writer, table) if writer and writer.is_daily else {}
            self._contents[table] = {
                date.fromisoformat(unit): success.content_hash for unit, success in known.items()
            }
        return self._contents[table].get(day)

    def inputs(
        self, job: Job, days: Sequence[date], own: Mapping[date, str] | None = None
    ) -> dict[str, str | None]:
        """Inputs of a unit: combined content hash by table, and model version by setting.

        Args:
            own: content of the job's closing table from the run that is under way, for jobs that read their own past.
        """
        hashes: dict[str, str | None] = {}
        for table, reach in job.reads.items():
            is_own = table in job.writes
            if table in self.versions:
                hashes[table] = f"@{self.versions[table]}"
                continue
            if reach.pinned or (is_own and not reach.before):
                continue  # the setting says which version; what the job writes itself is no input
            if not is_own:
                hashes[table] = _combined(self.content(table, day) for day in days)
            hashes |= self._beyond(job, table, days, own if table == job.closing_table else None)
        for setting in job.models:
            if version := self._model(setting):
                hashes[f"model {setting}"] = version
        for setting in job.files:
            if content := self._file(setting):
                hashes[f"file {setting}"] = content
        return hashes

    def _beyond(
        self, job: Job, table: str, days: Sequence[date], own: Mapping[date, str] | None
    ) -> dict[str, str]:
        """Inputs outside the unit's own days whose changes are detected by content hash, not by stale marks."""
        reach, hashes = job.reads[table], dict[str, str]()
        if horizon := reach.days_before(self.settings):
            before = (days[0] - timedelta(days=n) for n in range(1, horizon + 1))
            hashes[f"{table}@-{horizon}"] = _combined(
                (own or {}).get(day) or self.content(table, day) for day in before
            )
        if horizon := reach.days_after(self.settings):
            after = (days[-1] + timedelta(days=n) for n in range(1, horizon + 1))
            hashes[f"{table}@+{horizon}"] = _combined(self.content(table, day) for day in after)
        if reach.up_to:
            hashes[f"{table}@..{days[-1]}"] = self._up_to(table, days[-1])
        elif reach.whole and writer_of(table) is not None:
            hashes[f"{table}@all"] = self._up_to(table, date.max)
        elif reach.whole and not job.is_daily:
            hashes[f"{table}@all"] = str(
                self.lake.version(table)
            )  # marks are of days, and this unit has none
        return hashes

    def _up_to(self, table: str, last: date) -> str:
        """Hash of all days of a table up to one day. It is extended day by day, so each further day costs one step."""
        if table not in self._prefixes:
            self.content(table, last)  # reads them all
            digest = hashlib.sha256()
            days, digests = [], []
            for day, content in sorted(self._contents[table].items()):
                digest.update(f"{day}={content}|".encode())
                days.append(day)
                digests.append(digest.hexdigest()[:16])
            self._prefixes[table] = days, digests
        days, digests = self._prefixes[table]
        place = bisect_right(days, last)
        return digests[place - 1] if place else "-"

    def _model(self, setting: str) -> str:
        """`name/version` of the registered model that a setting names. Empty when the setting is empty."""
        named = str(self.settings.value(setting) or "")
        if setting not in self._models:
            from models.registry.names import resolved

            self._models[setting] = resolved(self.settings, named)
        return self._models[setting]

    def _file(self, setting: str) -> str:
        """Hash of the file that a setting names. Empty when the setting is empty or names something packaged."""
        place = Path(self.settings.resolve(str(self.settings.value(setting) or "-")))
        return hashlib.sha256(place.read_bytes()).hexdigest()[:16] if place.is_file() else ""

    def due(self, job: Job, days: Sequence[date], force: bool = False) -> list[Due]:
        """The due units among `days`, in order of days."""
        if (scope := self.scope(job, days)) is not None:
            if any(self.is_expired(job, day) for day in (days if job.unit == "window" else days[-1:])):
                return []
            reason = "forced" if force else self._reason(job, scope, tuple(days))
            return [Due(job.name, tuple(days), reason, scope)] if reason else []
        units: list[Due] = []
        own_past = job.reads[job.closing_table] if job.closing_table in job.reads else Reach()
        horizon = own_past.days_before(self.settings)
        for day in sorted(days):
            if self.is_expired(job, day):
                continue
            reason = "forced" if force else self._reason(job, day.isoformat(), (day,))
            if reason is None and horizon and units and (day - units[-1].days[0]).days <= horizon:
                reason = f"follows {units[-1].days[0]}, which runs again"
            if reason:
                units.append(Due(job.name, (day,), reason))
        return units

    def _reason(self, job: Job, unit: str, days: tuple[date, ...]) -> str | None:
        last = self.successes(job).get(unit)
        if last is None:
            return "never run"
        for day in days:
            if (job.name, day) in self.marks:
                return f"marked: {self.marks[job.name, day]}"
        if last.settings_hash != self.settings_hash(job):
            return "settings changed"
        if last.input_fingerprint != fingerprint(self.inputs(job, days)):
            return "input changed"
        return None

    def check_upstream(self, job: Job, days: Sequence[date]) -> None:
        """Raise an error if days that the job reads do not exist yet.

        Raises:
            UpstreamMissing: names table, day and the command that makes it.
        """
        # A job over all batches so far needs only the last one; earlier days may have none.
        needed = days if job.unit in ("day", "window") else days[-1:]
        for day in needed:
            for table in job.tables_awaited:
                writer = writer_of(table)
                if writer is None or job.reads[table].optional or table in self.versions:
                    continue
                if day.isoformat() not in self.successes(writer):
                    raise UpstreamMissing(
                        f"{job.name} reads a day that {writer.name} has not built",
                        table=table, day=day, hint=f"Run first: flywheel run {writer.name} --days {day}",
                    )  # fmt: skip

    def known_days(self, zone: str = LANDING) -> list[date]:
        """Days that landed in a zone, or for which a job that reads the zone ever ran, sorted."""
        from jobs.landing.zone import landing_days

        landed = set(landing_days(self.lake.landing_of(zone)))
        return sorted(
            landed
            | {
                date.fromisoformat(unit)
                for each in all_jobs()
                if each.is_daily and zone in landing_zones(each.name)
                for unit in self.successes(each)
            }
        )

    def unread(self) -> list[Unread]:
        """What lies in the landing zones and no job reads: misnamed folders, files of unknown kinds."""
        from jobs.landing.zone import unread

        zones = sorted({read for each in all_jobs() for read in each.reads if is_landed(read)})
        inner = {zone.removeprefix(f"{LANDING}/") for zone in zones}
        return [
            replace(left, name=f"{zone}/{left.name}")
            for zone in zones
            for left in unread(self.lake.landing_of(zone), inner if zone == LANDING else ())
        ]

    def of_range(self, days: Sequence[date], jobs: Iterable[Job], force: bool = False) -> list[Due]:
        """What running the jobs over the days would run, in order, by the state of the lake now.

        A job that runs earlier may make later ones due: those are found when they come. A job that scores a window
        with a registered model runs only where a setting names one.
        """
        return [
            unit
            for job in jobs
            if not (job.unit == "window" and job.models and not any(map(self.settings.value, job.models)))
            for unit in self.due(job, days, force)
        ]

    def everything(self) -> list[Due]:
        """Everything due over all known days, in the order in which to run it."""
        units: list[Due] = []
        days: dict[str, list[date]] = {}
        for job in all_jobs():
            if job.is_daily:
                for zone in landing_zones(job.name) - set(days):
                    days[zone] = self.known_days(zone)
                units += self.due(
                    job, sorted({day for zone in landing_zones(job.name) for day in days[zone]})
                )
            else:
                units += self._due_scopes(job)
        return units

    def _due_scopes(self, job: Job) -> list[Due]:
        """Datasets and models that were built with today's settings, and whose input changed since."""
        units: list[Due] = []
        for scope, versions in self._scopes.get((job.name, self.settings_hash(job)), []):
            days = parse_days(json.loads(versions)["days"])
            if scope == self.scope(job, days):  # else it was made from versions that somebody named
                units += self.due(job, days)
        return units


def fingerprint(inputs: Mapping[str, str | None]) -> str:
    """Hash of what a unit was computed from."""
    return hashlib.sha256(ledger.as_json(inputs).encode()).hexdigest()[:16]


def _combined(hashes: Iterable[str | None]) -> str:
    text = "|".join(content or "-" for content in hashes)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
