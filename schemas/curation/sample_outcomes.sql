CREATE TABLE curation.sample_outcomes (
  dataset_id STRING NOT NULL COMMENT 'Key, with turn_id.',
  turn_id STRING NOT NULL COMMENT 'An eligible turn of the window.',
  outcome STRING NOT NULL COMMENT 'selected, not_sampled, split_leak or context_unsafe.',
  reason STRING COMMENT 'Binding constraint (what brought the size down, where it came down), or the evaluation turn it duplicates; NULL when selected.',
  split STRING NOT NULL COMMENT 'train or evaluation.',
  stratum STRING COMMENT 'Stratum it was in; NULL when it was not a candidate.',
  ds DATE NOT NULL COMMENT 'Day of the turn.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (dataset_id)
COMMENT 'Where each eligible turn of a window ended in one dataset.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'dataset_id, turn_id', 'flywheel.write' = 'replace_scope:dataset_id',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.sample_outcomes ADD CONSTRAINT known_outcome CHECK (outcome IN ('selected', 'not_sampled', 'split_leak', 'context_unsafe'));
