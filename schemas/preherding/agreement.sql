CREATE TABLE preherding.agreement (
  kind STRING NOT NULL COMMENT 'pointwise or pairwise. Key, with training_set, reviews, source_table and configuration_hash.',
  training_set STRING NOT NULL COMMENT 'Row of Table 9: which labels of the same pairs were trained on, or that none were.',
  reviews INT NOT NULL COMMENT 'Least labels of a pair.',
  labels BIGINT NOT NULL COMMENT 'Labels trained on; 0 before training.',
  single_pairs BIGINT NOT NULL COMMENT 'Held-apart pairs judged by one drawn label.',
  single_accuracy DOUBLE NOT NULL COMMENT 'Accuracy on them.',
  single_low DOUBLE NOT NULL COMMENT 'Lower end of its 95 % interval.',
  single_high DOUBLE NOT NULL COMMENT 'Upper end.',
  agreed_pairs BIGINT NOT NULL COMMENT 'Held-apart pairs on which all annotators agree.',
  agreed_accuracy DOUBLE NOT NULL COMMENT 'Accuracy on them.',
  agreed_low DOUBLE NOT NULL COMMENT 'Lower end of its 95 % interval.',
  agreed_high DOUBLE NOT NULL COMMENT 'Upper end.',
  longer_accuracy DOUBLE NOT NULL COMMENT 'Of the null that prefers the longer response, on the agreed pairs.',
  source_table STRING NOT NULL COMMENT 'stage.table@version that was read.',
  configuration_hash STRING NOT NULL COMMENT 'Of the run configuration.',
  ds DATE NOT NULL COMMENT 'Day of the last batch.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'What agreement among annotators is worth, as in Table 9: one row a kind of model and training set.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'kind, training_set, reviews, source_table, configuration_hash',
  'flywheel.write' = 'merge_upsert', 'flywheel.pii' = 'none', 'flywheel.retention_days' = '1200'
);
ALTER TABLE preherding.agreement ADD CONSTRAINT agreement_kind CHECK (kind IN ('pointwise', 'pairwise'));
