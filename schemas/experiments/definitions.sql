CREATE TABLE experiments.definitions (
  experiment_id STRING NOT NULL COMMENT 'Key, with declared_ts.',
  declared_ts TIMESTAMP NOT NULL COMMENT 'When it was declared, UTC. The last before the start is in force.',
  title STRING NOT NULL COMMENT 'What is tested, in a line.',
  owner STRING NOT NULL COMMENT 'Whom to ask.',
  control_arm STRING NOT NULL COMMENT 'The arm that the others are compared with.',
  arms ARRAY<STRING> NOT NULL COMMENT 'All arms, the control among them.',
  shares MAP<STRING,DOUBLE> NOT NULL COMMENT 'Arm to its share of the eligible users (section 2.5.2: about 0.1 each).',
  salt STRING NOT NULL COMMENT 'Of the hash that assigns users: another salt, an independent assignment.',
  eligibility STRING NOT NULL COMMENT 'Who may be assigned, in words; the same rule for every arm.',
  start_ds DATE NOT NULL COMMENT 'First day of the window, UTC.',
  end_ds DATE NOT NULL COMMENT 'Last day of the window, included (section 2.5.2: seven days).',
  metrics ARRAY<STRING> NOT NULL COMMENT 'Primary family, over which Holm corrects: of breadth, depth, share_engaged, mean_exposed.',
  segments ARRAY<STRING> NOT NULL COMMENT 'Columns of experiments.covariates by which it is read out too.',
  bot_messages_per_day BIGINT NOT NULL COMMENT 'A user who sent more on a day before first exposure is a bot.',
  winsor_quantile DOUBLE NOT NULL COMMENT 'Quantile of all engaged users, arms pooled, at which messages are cut for the method winsorised.',
  several_arms STRING COMMENT 'What becomes of users who saw several arms: drop (from all arms) or first_arm (they count in the first one seen). NULL, in older rows, is drop.',
  definition STRING NOT NULL COMMENT 'JSON: the whole definition as declared.',
  ds DATE NOT NULL COMMENT 'UTC date of declared_ts.',
  run_id STRING NOT NULL COMMENT 'Id of the command that wrote the row.'
) USING delta
COMMENT 'Experiments as declared, append-only; one that has started is never declared anew.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'experiment_id, declared_ts', 'flywheel.write' = 'append',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '3650'
);
ALTER TABLE experiments.definitions ADD CONSTRAINT window_runs_forward CHECK (end_ds >= start_ds);
ALTER TABLE experiments.definitions ADD CONSTRAINT winsor_quantile_is_share CHECK (winsor_quantile > 0 AND winsor_quantile <= 1);
