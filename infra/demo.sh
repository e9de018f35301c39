#!/usr/bin/env bash
# The main job on the embedded default: land, curate through Airflow's backfill DAG, train and register, report.
# Called by `make demo`, which sets LOGS, FORMAT, START, DAYS and TURNS.
set -euo pipefail
umask 077 # Airflow's database, logs and configuration are nobody else's; flywheel sets its own

started=$SECONDS
say() { printf '\n== %s\n' "$*"; }

last=$(python -c "from datetime import date, timedelta; print(date.fromisoformat('$START') + timedelta($DAYS - 1))")
mkdir -p "$AIRFLOW_HOME"
log=$AIRFLOW_HOME/demo.log
export FLYWHEEL_PROGRESS=$AIRFLOW_HOME/progress.log
# One model of each kind shows what there is; without these, both kinds, all batches and all five signals are trained.
export FLYWHEEL_TRAINING__REWARD_KINDS='["pointwise"]' FLYWHEEL_TRAINING__SIGNALS='["continued"]'
export FLYWHEEL_TRAINING__MATRIX_BATCHES=1

# Neither needs the other, nor the first steps below: they run beside each other on two cores.
say "Prepare models, jars and Airflow in the background (only once per user; takes a minute or two)"
flywheel setup &
setup=$!
airflow db migrate >"$AIRFLOW_HOME/migrate.log" 2>&1 &
migrate=$!
follower=
trap 'kill $setup $migrate $follower 2>/dev/null || true' EXIT

say "Tables"
flywheel migrate | tail -n 1
if [ -n "${LOGS:-}" ]; then
  say "Import $LOGS over $START..$last (missing times and users are generated and marked)"
  flywheel import --format "$FORMAT" --start "$START" --days "$DAYS" "$LOGS"
else
  say "Simulate $TURNS turns over $START..$last"
  # Half of the served turns are judged, by three annotators each, with two messages before them: some 2,500 pairs, a
  # fifth of them of held-out users. Fewer do not show that the reward model learns.
  FLYWHEEL_SANDBOX__ANNOTATORS__STATIC_SHARE=0.5 FLYWHEEL_SANDBOX__ANNOTATORS__REVIEWS=3 \
    FLYWHEEL_SANDBOX__ANNOTATORS__CONTEXT_MESSAGES=2 \
    flywheel sandbox --turns "$TURNS" --start "$START" --days "$DAYS"
  definitions=$(python -c "from infra.lake import Lake; from infra.settings import load_settings
print(Lake.of(load_settings()).landing)")/../experiments
  for definition in "$definitions"/*.toml; do
    flywheel experiment declare "$definition" || echo "The earlier declaration stays valid."
  done
fi

wait $setup
setup= # what has ended is not killed at the end: another process may have its number by then
wait $migrate || { echo "Airflow's database could not be prepared. The log: $AIRFLOW_HOME/migrate.log" >&2; exit 1; }
migrate=

say "Backfill $START..$last through Airflow: one line per job"
: >"$FLYWHEEL_PROGRESS"
airflow dags test backfill \
  --conf "{\"from\": \"$START\", \"to\": \"$last\", \"stage\": \"all\", \"dry_run\": false, \"force\": false}" \
  >"$log" 2>&1 &
backfill=$!
tail -n +1 -f "$FLYWHEEL_PROGRESS" &
follower=$!
status=0
wait $backfill || status=$?
sleep 1 # what was added last is shown
kill $follower
follower=
if [ $status -ne 0 ]; then
  echo "The backfill failed. The line above with FAILED names the job. The full log: $log" >&2
  exit 1
fi

say "What is left (some simulated events arrive weeks late and land on later days)"
flywheel plan

if [ -z "${LOGS:-}" ]; then
  say "The reward model: accuracy on held-out users, compared with choosing the longer response"
  flywheel sql "SELECT model, version, mode, pairs, round(accuracy, 3) AS accuracy, round(low, 3) AS low, round(high, 3) AS high,
    round(longer_accuracy, 3) AS longer FROM preherding.reward_models ORDER BY version, mode"
  say "What it was built from"
  flywheel lineage reward-pointwise@candidate --short
fi

say "Report"
flywheel report
flywheel sql "SELECT outcome, sum(turns) AS turns FROM views.daily_funnel GROUP BY outcome ORDER BY turns DESC"

if [ -z "${LOGS:-}" ]; then
  say "The simulated experiment so far (a verdict comes on day 7: make demo DAYS=7)"
  flywheel readout exp-001 --method plain || true
fi

say "Done in $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s. Three commands to try (source .venv/bin/activate)"
echo '  flywheel sql "SELECT * FROM views.datasets"       # the sampled datasets'
[ -n "${LOGS:-}" ] || echo '  flywheel readout exp-001 --html report/exp-001.html   # the experiment as a page'
[ -z "${LOGS:-}" ] || echo '  flywheel tables curation.samples                  # what each column means'
echo '  make airflow                                      # schedules, retries and backfills in a web UI'
