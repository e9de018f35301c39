CREATE TABLE experiments.readouts (
  experiment_id STRING NOT NULL COMMENT 'Key, with as_of_ds, arm, metric, segment, method, input_versions and schema_version.',
  as_of_ds DATE NOT NULL COMMENT 'Last day that is counted.',
  k INT NOT NULL COMMENT 'Cumulative day of the window, from 1: the number of days that breadth divides by (eq. 10).',
  arm STRING NOT NULL COMMENT 'The test arm.',
  control_arm STRING NOT NULL COMMENT 'The arm it is compared with.',
  metric STRING NOT NULL COMMENT 'breadth (eq. 9-11), depth (eq. 12-13), share_engaged, or mean_exposed (messages over all exposed users).',
  segment STRING NOT NULL COMMENT 'all, or column=value of a declared segment.',
  method STRING NOT NULL COMMENT 'plain, winsorised, cuped or always_valid.',
  estimate_test DOUBLE COMMENT 'Mean of the test arm; NULL when status is not ok.',
  variance_of_mean_test DOUBLE COMMENT 'Of that mean, over users (eq. 15); of depth over engaged users.',
  n_test BIGINT NOT NULL COMMENT 'Users that it is a mean of: exposed, of depth engaged.',
  estimate_control DOUBLE COMMENT 'Mean of the control arm.',
  variance_of_mean_control DOUBLE COMMENT 'Of that mean.',
  n_control BIGINT NOT NULL COMMENT 'Users that it is a mean of.',
  lift_pct DOUBLE COMMENT '100 (test / control - 1) (eq. 14), percent.',
  low_pct DOUBLE COMMENT 'Lower end of the 95 % set of lifts (eq. 17), percent; NULL where the set has no such end.',
  high_pct DOUBLE COMMENT 'Upper end.',
  gap_low_pct DOUBLE COMMENT 'Of a complement: lifts strictly between gap_low_pct and gap_high_pct are ruled out, all others are not.',
  gap_high_pct DOUBLE COMMENT 'See gap_low_pct.',
  interval_kind STRING NOT NULL COMMENT 'bounded, complement, half_line, whole_line or undefined (jobs/experiments/statistics.py).',
  p_value DOUBLE COMMENT 'Two-sided, of no difference; of always_valid whenever it is looked at.',
  p_adjusted DOUBLE COMMENT 'Holm over the primary metrics and all test arms; NULL outside the primary family.',
  status STRING NOT NULL COMMENT 'ok, or why there is no interval (jobs/experiments/comparison.py).',
  verdict STRING NOT NULL COMMENT 'positive, negative, inconclusive, not_final (before the last day), blocked (sample ratio), exploratory (not in the primary family) or undetermined (see status).',
  sample_ratio_p DOUBLE COMMENT 'Chi-square test of the exposed users of the segment against the declared shares.',
  winsor_bound DOUBLE COMMENT 'Messages at which users were cut, method winsorised.',
  input_versions STRING NOT NULL COMMENT 'JSON: table to the first Delta version at which what was read is as it was: read there, it gives the same numbers.',
  schema_version INT NOT NULL COMMENT 'Raised when a column changes its meaning.',
  ds DATE NOT NULL COMMENT 'The same as as_of_ds.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'Each test arm against the control, in long format; what was once read out is never overwritten.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'experiment_id, as_of_ds, arm, metric, segment, method, input_versions, schema_version',
  'flywheel.write' = 'merge_insert', 'flywheel.pii' = 'none', 'flywheel.retention_days' = '3650'
);
ALTER TABLE experiments.readouts ADD CONSTRAINT known_metric CHECK (metric IN ('breadth', 'depth', 'share_engaged', 'mean_exposed'));
ALTER TABLE experiments.readouts ADD CONSTRAINT known_method CHECK (method IN ('plain', 'winsorised', 'cuped', 'always_valid'));
