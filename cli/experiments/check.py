"""`flywheel experiment list` and `check`: state of the experiments, and whether their data can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cli.query import query
from infra.lake import Lake, ledger
from infra.settings import Settings, span_of
from jobs.experiments import READOUTS
from jobs.experiments.definition import Definition, definition, definitions
from jobs.plan import Plan
from jobs.traffic import LAND

_SEVERAL_ARMS_ALARM = 0.01
"""Share of users in several arms above which assignment or logging is broken (0.1 to 1 % is usual)."""

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
class Check:
    """The result of experiment check. `remedy` says what to do when it failed."""

    ok: bool
    what: str
    remedy: str = ""


def overview(settings: Settings) -> list[dict[str, Any]]:
    """Every experiment that was declared or exposed, experiment row each."""
    lake, today = Lake.of(settings), ledger.now().date()
    declared = definitions(lake)
    exposed = {row["experiment_id"]: row for row in _rows(lake, _EXPOSED)}
    read_out = {row["experiment_id"]: row["day"] for row in _rows(lake, _READ_OUT)}
    rows = []
    for name in sorted({*declared, *exposed}):
        experiment = declared.get(name)
        rows.append(
            {
                "experiment_id": name,
                "state": experiment.state(today)
                if experiment
                else "not declared: exposures are stored, but there is no readout",
                "window": f"{experiment.start_ds}..{experiment.end_ds}" if experiment else "",
                "arms": ", ".join(f"{arm} {share:g}" for arm, share in experiment.shares.items())
                if experiment
                else "",
                "exposed": exposed[name]["users"] if name in exposed else 0,
                "read out": read_out.get(name),
                "title": experiment.title if experiment else "",
            }
        )
    return rows


def checks_of(settings: Settings, experiment_id: str) -> list[Check]:
    """Checks to pass before an experiment's numbers are used.

    Raises:
        ExperimentUnknown: it was never declared.
    """
    lake = Lake.of(settings)
    experiment = definition(lake, experiment_id)
    exposed = next((r for r in _rows(lake, _EXPOSED) if r["experiment_id"] == experiment_id), None)
    if exposed is None:
        return [
            Check(
                False, f"{experiment_id}: nobody was exposed",
                "Land the days of its window. Exposure events must use the experiment_id of the definition.",
            )
        ]  # fmt: skip
    return [
        _shares(experiment),
        *_window(experiment, exposed),
        _days(settings, experiment),
        *_population(lake, experiment),
    ]


def _shares(experiment: Definition) -> Check:
    smallest, largest = min(experiment.shares.values()), max(experiment.shares.values())
    return Check(
        largest <= 1.5 * smallest,
        f"shares: {', '.join(f'{arm} {share:g}' for arm, share in experiment.shares.items())}",
        "Use arms of equal size, so that exposure and carry-over effects are the same in each (section 2.5.2).",
    )


def _window(experiment: Definition, exposed: dict[str, Any]) -> list[Check]:
    early = exposed["first_ds"] < experiment.start_ds
    share = exposed["several"] / exposed["users"]
    return [
        Check(
            not early, f"first exposures: {exposed['first_ds']}..{exposed['last_ds']}",
            f"Users exposed before {experiment.start_ds} are not counted. Start the window with the first exposure.",
        ),
        Check(
            share < _SEVERAL_ARMS_ALARM,
            f"users in several arms: {exposed['several']:,} ({share:.2%}); "
            + ("excluded from every arm" if experiment.several_arms == "drop" else "counted in the first arm seen"),
            "Assignment is not stable, or two systems assign users. Compare the product's hash and salt.",
        ),
    ]  # fmt: skip


def _days(settings: Settings, experiment: Definition) -> Check:
    """Days that are over and whose traffic landed need a readout; the others cannot have one yet."""
    plan, today = Plan(settings), ledger.now().date()
    landed, read_out = (
        {date.fromisoformat(unit) for unit in plan.successes(job)} for job in (LAND, READOUTS)
    )
    # A day without files between days with files is not still to come: something is missing.
    last = min(experiment.end_ds, today - timedelta(days=1), max(landed, default=date.min))
    days = [experiment.start_ds + timedelta(days=n) for n in range(experiment.window_days)]
    due = [day for day in days if day <= last]
    missing = [day for day in due if day not in read_out]
    later = len(days) - len(due)
    why = "are still to come" if today <= experiment.end_ds else "have not landed"
    return Check(
        not missing,
        f"days with a readout: {len(due) - len(missing)} of {len(due)} landed days"
        + (f"; {later} of the window's {len(days)} days {why}" if later else ""),
        f"Missing: {span_of(missing)}. flywheel plan shows what is due." if missing else "",
    )  # fmt: skip


def _population(lake: Lake, experiment: Definition) -> list[Check]:
    rows = _rows(lake, _POPULATIONS, experiment=experiment.experiment_id)
    if not rows:
        return []
    alarms = [f"{r['basis']} {r['segment']}" for r in rows if r["sample_ratio_alarm"]]
    undeclared = sorted(
        {arm for r in rows for arm, n in dict(r["users"]).items() if n} - set(experiment.arms)
    )
    checks = [
        Check(
            not alarms, f"sample ratio as of {rows[0]['as_of_ds']}: {len(alarms)} alarm(s) of {len(rows)} populations",
            f"No verdict is given. Arms differ from the declared shares in: {'; '.join(sorted(alarms)[:5])}.",
        )
    ]  # fmt: skip
    if undeclared:
        checks.append(
            Check(
                False,
                f"undeclared arms: {', '.join(undeclared)}",
                "Exposure events name arms that the definition does not declare.",
            )
        )
    return checks


def _rows(lake: Lake, statement: str, **values: Any) -> list[dict[str, Any]]:
    return query(lake, statement, values)[1]
