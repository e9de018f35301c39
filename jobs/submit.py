"""Entry point of `spark-submit`: stages or jobs over a range of days, in one session.

jobs/submit.py curation --days 2026-11-18..2026-11-20
jobs/submit.py traffic.land traffic.turns --days 2026-11-20
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run them; 0 when done or nothing was due, 1 with a one-line error otherwise."""
    # spark-submit puts this file's folder first on the path, where `traffic` would be a top-level name.
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [p for p in sys.path if p != here]
    sys.path.insert(0, str(Path(here).parent))
    from infra import progress
    from infra.errors import FlywheelError
    from infra.settings import load_settings, parse_days
    from jobs.stage import parse_rerun, run_jobs

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", help="stages (curation) or jobs (curation.screen), in order")
    parser.add_argument("--days", required=True, help="2026-11-20 or 2026-10-01..2026-11-20")
    parser.add_argument(
        "--rerun",
        default="due",
        help="due: only what is due; all: also days that are up to date; a time: whatever last ran before it",
    )
    options = parser.parse_args(arguments)
    try:
        force, since = parse_rerun(options.rerun)
        run_jobs(load_settings(), options.names, parse_days(options.days), force, since)
    except FlywheelError as error:
        progress.show(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
