"""Entry point of `spark-submit`: one job for a range of days (`jobs/submit.py JOB --days A[..B]`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run one job; 0 when done or nothing was due, 1 with a one-line error otherwise."""
    # spark-submit puts this file's folder first on the path, where `traffic` would be a top-level name.
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [p for p in sys.path if p != here]
    sys.path.insert(0, str(Path(here).parent))
    from infra.errors import FlywheelError
    from infra.settings import load_settings, parse_days
    from jobs.runner import run_job

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", help="stage.job, e.g. curation.screen")
    parser.add_argument("--days", required=True, help="2026-11-20 or 2026-10-01..2026-11-20")
    parser.add_argument("--rerun", choices=["due", "all"], default="due", help="all: also days that stand")
    asked = parser.parse_args(arguments)
    try:
        run_job(load_settings(), asked.job, parse_days(asked.days), asked.rerun == "all")
    except FlywheelError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
