-- Lifts of every experiment, day, test arm, metric, segment and method from the latest readout. experiments.readouts also keeps readouts of earlier versions of the data.
SELECT
  r.experiment_id, r.as_of_ds, r.k, r.arm, r.control_arm, r.metric, r.segment, r.method, r.estimate_test,
  r.estimate_control, r.n_test, r.n_control, r.lift_pct, r.low_pct, r.high_pct, r.gap_low_pct, r.gap_high_pct,
  r.interval_kind, r.p_value, r.p_adjusted, r.status, r.verdict, r.sample_ratio_p, r.input_versions
FROM experiments.readouts r
JOIN (
  SELECT experiment_id, as_of_ds, max(run_id) AS run_id FROM experiments.readouts GROUP BY experiment_id, as_of_ds
) last
  ON r.experiment_id = last.experiment_id AND r.as_of_ds = last.as_of_ds AND r.run_id = last.run_id
