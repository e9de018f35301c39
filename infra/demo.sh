#!/usr/bin/env bash
# The main job on the embedded default: land, curate through Airflow's backfill DAG, train and register, report.
# Called by `make demo`, which sets LOGS, FORMAT, START, DAYS and TURNS.
set -euo pipefail

say() { printf '\n== %s\n' "$*"; }

last=$(python -c "from datetime import date, timedelta; print(date.fromisoformat('$START') + timedelta($DAYS - 1))")

say "Tables"
flywheel migrate
if [ -n "${LOGS:-}" ]; then
  say "Import $LOGS over $START..$last (missing times and users are made up, and marked so)"
  flywheel import --format "$FORMAT" --start "$START" --days "$DAYS" "$LOGS"
else
  say "Simulate $TURNS turns over $START..$last"
  flywheel sandbox --turns "$TURNS" --start "$START" --days "$DAYS"
  say "Declare the simulated experiment"
  definitions=$(python -c "from infra.lake import Lake; from infra.settings import load_settings
print(Lake.of(load_settings()).landing)")/../experiments
  for definition in "$definitions"/*.toml; do
    flywheel experiment declare "$definition" || echo "It stays as it was declared first (another START or lake has its own)."
  done
fi

say "Backfill $START..$last through Airflow (progress below)"
mkdir -p "$AIRFLOW_HOME"
airflow db migrate >"$AIRFLOW_HOME/migrate.log" 2>&1
# The whole log is kept; here, what the jobs say of their progress, and errors.
airflow dags test backfill \
  --conf "{\"from\": \"$START\", \"to\": \"$last\", \"stage\": \"all\", \"dry_run\": false, \"force\": false}" 2>&1 |
  tee "$AIRFLOW_HOME/demo.log" |
  sed -u 's/ *\[airflow\.task.*//' |
  awk '/[A-Za-z]Error: / || /DagRun failed/ {print; fflush(); next}
       match($0, / [0-9]+\.[0-9]s  .*/) {print substr($0, RSTART, RLENGTH); fflush(); next}
       match($0, /(traffic|experiments|signals|curation|annotation|preherding)\.[a-z_]+: (nothing|[0-9]{4}-).*/) {print substr($0, RSTART, RLENGTH); fflush()}' ||
  { echo "The whole log: $AIRFLOW_HOME/demo.log" >&2; exit 1; }

say "What is left (some simulated events arrive weeks late, on days of their own)"
flywheel plan

if [ -z "${LOGS:-}" ]; then
  say "Train a reward model and a signal model on the embedded tiny model, and register them"
  flywheel train reward --kind pointwise
  flywheel train signals --signal continued
  say "What they were made from"
  flywheel lineage reward-pointwise@candidate
  flywheel lineage signal-continued@candidate
fi

say "Report"
flywheel report
flywheel sql "SELECT outcome, sum(turns) AS turns FROM views.daily_funnel GROUP BY outcome ORDER BY turns DESC"

if [ -z "${LOGS:-}" ]; then
  say "The simulated experiment so far (a verdict comes on day 7: make demo DAYS=7)"
  flywheel readout exp-001 --method plain || true
fi

say "Next (source .venv/bin/activate)"
echo '  flywheel sql "SELECT * FROM views.datasets"'
echo '  flywheel tables curation.samples'
[ -n "${LOGS:-}" ] || echo '  flywheel readout exp-001 --html report/exp-001.html   # the experiment as a page'
echo '  flywheel signals bias'
echo '  make airflow      # schedules, retries, backfills from a web page'
