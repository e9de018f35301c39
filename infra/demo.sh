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
    flywheel sandbox --turns "$TURNS" --start "$START" --days "$DAYS" | tee "$AIRFLOW_HOME/sandbox.log" | sed '/^Next: /d'
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

say "What became of the turns"
flywheel sql "SELECT outcome, sum(turns)::BIGINT AS turns, round(100 * sum(turns) / sum(sum(turns)) OVER (), 1) AS \"% of turns\"
  FROM views.daily_funnel GROUP BY outcome ORDER BY turns DESC"

say "The datasets that were sampled from the eligible turns"
flywheel sql "SELECT split, turns, conversations, characters, languages FROM views.datasets ORDER BY turns DESC"
cap=$(python -c "from infra.settings import load_settings; print(f'{load_settings().sampling.character_cap:.0%}')")
echo "One character may be at most $cap of a sample: flywheel.toml sets it for the simulator's few characters."
echo "The default is the 3 % of the paper's Table 1."

if [ -z "${LOGS:-}" ]; then
  say "The reward model: how often it prefers the response that people preferred"
  flywheel sql "SELECT mode AS conversations, pairs, format('{:.1f} % ({:.1f} to {:.1f})', 100 * accuracy, 100 * low, 100 * high) AS \"right (95 % interval)\",
    format('{:.1f} %', 100 * longer_accuracy) AS \"the longer response\" FROM preherding.reward_models
    WHERE version = (SELECT max(version) FROM preherding.reward_models) ORDER BY pairs DESC"
  echo "On pairs of users that it was not trained on. Compare it with always choosing the longer response."
  version=$(flywheel sql "SELECT max(version) AS version FROM preherding.reward_models" --format csv | tail -n 1)
  flywheel lineage "reward-pointwise/$version" --short

  say "The simulated experiment (a verdict comes on day 7: make demo DAYS=7)"
  flywheel readout exp-001 --method plain --html report/exp-001.html 2>/dev/null
  flywheel readout exp-001 --method plain
  echo "The simulator knows what a real product does not:"
  echo "  $(grep '^true lift' "$AIRFLOW_HOME/sandbox.log")."
  echo "The readout compares two small groups of different users, so chance moves its lift, by about the width of its interval."
fi

report=$(flywheel report | sed -n 's/^Open //p')
say "Done in $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s. Open in a browser"
echo "  $report   # where every turn ended, and what the samples got"
[ -n "${LOGS:-}" ] || echo "  $PWD/report/exp-001.html   # the experiment"
say "Three commands to try (source .venv/bin/activate)"
echo '  flywheel review list                              # turns that wait for a decision by people'
echo '  flywheel pull curation.samples --split train --to parquet --out data/train   # the dataset, with a card'
echo '  make airflow                                      # schedules, retries and backfills in a web UI'
[ -n "${LOGS:-}" ] || echo 'Some simulated events arrive weeks late. flywheel plan lists their days, flywheel run --stale lands them.'
