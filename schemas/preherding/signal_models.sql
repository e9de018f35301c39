CREATE TABLE preherding.signal_models (
  model STRING NOT NULL COMMENT 'Registered name: signal-continued, signal-thumb-up, … Key, with version and cell.',
  version INT NOT NULL COMMENT 'Registered version.',
  signal STRING NOT NULL COMMENT 'What it predicts: a column of signals.labels (Table 2).',
  cell STRING NOT NULL COMMENT 'all, or a job to be done.',
  rows BIGINT NOT NULL COMMENT 'Responses to evaluation users.',
  happened BIGINT NOT NULL COMMENT 'Those with the signal.',
  users BIGINT NOT NULL COMMENT 'Who got them.',
  auc DOUBLE COMMENT 'Area under the ROC curve; NULL where there is too little to tell.',
  auc_low DOUBLE COMMENT 'Lower end of its 95 % interval over users.',
  auc_high DOUBLE COMMENT 'Upper end.',
  pr_auc DOUBLE COMMENT 'Average precision; NULL where there is too little to tell.',
  gain_over_length DOUBLE COMMENT 'AUC less that of the length-only baseline; of cell all.',
  gain_over_length_low DOUBLE COMMENT 'Lower end of its 95 % interval.',
  gain_over_length_high DOUBLE COMMENT 'Upper end.',
  gain_over_sentiment DOUBLE COMMENT 'AUC less that of the sentiment-only baseline; of cell all.',
  calibration_error DOUBLE COMMENT 'Expected calibration error, ten bins of equally many rows; of cell all.',
  source_table STRING NOT NULL COMMENT 'signals.labels@version that was read.',
  configuration_hash STRING NOT NULL COMMENT 'Of the run configuration.',
  ds DATE NOT NULL COMMENT 'Last day of the window.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'Registered user-signal models with their figures on users held apart: one row a version and cell.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'model, version, cell', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '1200'
);
