"""Whether an experiment's data can be trusted, from the tables alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from infra import ledger
from infra.lake import Lake
from infra.settings import Settings, span_of
from infra.sql import connect, named_rows
from jobs.experiments import READOUTS
from jobs.experiments.definition import Definition, definition, definitions
from jobs.plan import Plan

_SEVERAL_ARMS_ALARM = 0.01
"""Share of users in several arms from which assignment or logging is broken (0.1 to 1 % is the usual band)."""

_EXPOSED = """
SELECT experiment_id, count(*) AS users, min(ds) AS first_ds, max(ds) AS last_ds, count_if(in_several_arms) AS several
FROM experiments.assignments GROUP BY experiment_id
"""
_READ_OUT = "SELECT experiment_id, max(as_of_ds) AS day FROM experiments.readouts GROUP BY experiment_id"
_POPULATIONS = """
SELECT * FROM experiments.populations WHERE experiment_id = $experiment
QUALIFY run_id = max(run_id) OVER (PARTITION BY as_of_ds) AND as_of_ds = max(as_of_ds) OVER ()
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `remedy` says what to do where it is not as it should be."""

    ok: bool
    what: str
    remedy: str = ""


def overview(settings: Settings) -> list[dict[str, Any]]:
    """Every experiment that was declared or exposed, one row each."""
    lake, today = Lake.of(settings), ledger.now().date()
    declared = definitions(lake)
    exposed = {row["experiment_id"]: row for row in _rows(lake, _EXPOSED)}
    read_out = {row["experiment_id"]: row["day"] for row in _rows(lake, _READ_OUT)}
    rows = []
    for name in sorted({*declared, *exposed}):
        one = declared.get(name)
        rows.append(
            {
                "experiment_id": name,
                "state": one.state(today) if one else "not declared: kept, not read out",
                "window": f"{one.start_ds}..{one.end_ds}" if one else "",
                "arms": ", ".join(f"{arm} {share:g}" for arm, share in one.shares.items()) if one else "",
                "exposed": exposed[name]["users"] if name in exposed else 0,
                "read out": read_out.get(name),
                "title": one.title if one else "",
            }
        )
    return rows


def findings(settings: Settings, experiment_id: str) -> list[Finding]:
    """What to know before an experiment's numbers are believed.

    Raises:
        ExperimentUnknown: it was never declared.
    """
    lake = Lake.of(settings)
    one = definition(lake, experiment_id)
    exposed = next((r for r in _rows(lake, _EXPOSED) if r["experiment_id"] == experiment_id), None)
    if exposed is None:
        return [
            Finding(
                False, f"{experiment_id}: nobody was exposed",
                "Land the days of its window; exposure events name the experiment as the definition does.",
            )
        ]  # fmt: skip
    return [
        _shares(one),
        *_window(one, exposed),
        _days(settings, one),
        *_population(lake, one),
    ]


def _shares(one: Definition) -> Finding:
    smallest, largest = min(one.shares.values()), max(one.shares.values())
    return Finding(
        largest <= 1.5 * smallest,
        f"shares: {', '.join(f'{arm} {share:g}' for arm, share in one.shares.items())}",
        "Arms of one size are exposed and carried over alike; a control of all other traffic is not (section 2.5.2).",
    )


def _window(one: Definition, exposed: dict[str, Any]) -> list[Finding]:
    early = exposed["first_ds"] < one.start_ds
    share = exposed["several"] / exposed["users"]
    return [
        Finding(
            not early, f"first exposures: {exposed['first_ds']}..{exposed['last_ds']}",
            f"Users exposed before {one.start_ds} are not counted: start the window no later than the exposures.",
        ),
        Finding(
            share < _SEVERAL_ARMS_ALARM,
            f"users in several arms: {exposed['several']:,} ({share:.2%}), dropped from all",
            "Assignment is not stable, or two systems expose: compare the product's hash and salt.",
        ),
    ]  # fmt: skip


def _days(settings: Settings, one: Definition) -> Finding:
    made = {date.fromisoformat(unit) for unit in Plan(settings).successes(READOUTS)}
    last = min(one.end_ds, ledger.now().date() - timedelta(days=1))
    window = [one.start_ds + timedelta(days=n) for n in range((last - one.start_ds).days + 1)]
    missing = [day for day in window if day not in made]
    return Finding(
        not missing, f"days read out: {len(window) - len(missing)} of {len(window)} that are over",
        f"Missing from {span_of(missing)}: flywheel plan says what is due." if missing else "",
    )  # fmt: skip


def _population(lake: Lake, one: Definition) -> list[Finding]:
    rows = _rows(lake, _POPULATIONS, experiment=one.experiment_id)
    if not rows:
        return []
    alarms = [f"{r['basis']} {r['segment']}" for r in rows if r["sample_ratio_alarm"]]
    undeclared = sorted({arm for r in rows for arm, n in dict(r["users"]).items() if n} - set(one.arms))
    found = [
        Finding(
            not alarms, f"sample ratio as of {rows[0]['as_of_ds']}: {len(alarms)} alarm(s) of {len(rows)} populations",
            f"No verdict is given. Not in the declared shares: {'; '.join(sorted(alarms)[:5])}.",
        )
    ]  # fmt: skip
    if undeclared:
        found.append(
            Finding(
                False,
                f"arms without a share: {', '.join(undeclared)}",
                "Exposures name other arms than declared.",
            )
        )
    return found


def _rows(lake: Lake, query: str, **values: Any) -> list[dict[str, Any]]:
    with connect(lake, query) as database:
        return named_rows(database, query, values)
