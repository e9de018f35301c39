CREATE TABLE preherding.reward_models (
  model STRING NOT NULL COMMENT 'Registered name: reward-pointwise or reward-pairwise. Key, with version and mode.',
  version INT NOT NULL COMMENT 'Registered version.',
  kind STRING NOT NULL COMMENT 'pointwise (equation 1) or pairwise (equations 2 to 4).',
  mode STRING NOT NULL COMMENT 'static or interactive: the pairs that the figures are of.',
  trained_until STRING NOT NULL COMMENT 'YYMMDD of the last batch that it learnt from.',
  training_pairs BIGINT NOT NULL COMMENT 'Labels that it was trained on.',
  pairs BIGINT NOT NULL COMMENT 'Held-apart pairs, each once, by one label.',
  accuracy DOUBLE NOT NULL COMMENT 'Share of them on which the model prefers what the annotator preferred; equal scores count half.',
  low DOUBLE NOT NULL COMMENT 'Lower end of the 95 % interval; pairs of one user are not independent.',
  high DOUBLE NOT NULL COMMENT 'Upper end.',
  longer_accuracy DOUBLE NOT NULL COMMENT 'Of the null that prefers the longer response, on the same pairs.',
  longer_low DOUBLE NOT NULL COMMENT 'Lower end of its 95 % interval.',
  longer_high DOUBLE NOT NULL COMMENT 'Upper end.',
  position_consistency DOUBLE COMMENT 'Share of pairs with one verdict in both orders; NULL for pointwise.',
  source_table STRING NOT NULL COMMENT 'stage.table@version that was read.',
  base_model STRING NOT NULL COMMENT 'What training started from.',
  configuration_hash STRING NOT NULL COMMENT 'Of the run configuration.',
  ds DATE NOT NULL COMMENT 'Day of the last batch.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'Registered reward models with their accuracy on pairs held apart: one row a version and mode.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'model, version, mode', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '1200'
);
ALTER TABLE preherding.reward_models ADD CONSTRAINT reward_kind CHECK (kind IN ('pointwise', 'pairwise'));
ALTER TABLE preherding.reward_models ADD CONSTRAINT inside_interval CHECK (low <= accuracy AND accuracy <= high);
ALTER TABLE preherding.reward_models ADD CONSTRAINT some_pairs CHECK (pairs > 0 AND training_pairs > 0);
