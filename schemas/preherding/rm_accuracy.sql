CREATE TABLE preherding.rm_accuracy (
  model STRING NOT NULL COMMENT 'RM_YYMMDD: trained on all batches up to that date. Key, with kind, mode, batch, source_table, configuration_hash and training_pairs.',
  kind STRING NOT NULL COMMENT 'pointwise (equation 1) or pairwise (equations 2 to 4).',
  mode STRING NOT NULL COMMENT 'static or interactive: which half of Table 8.',
  batch STRING NOT NULL COMMENT 'YYMMDD of the held-apart pairs, or all.',
  zero_shot BOOLEAN NOT NULL COMMENT 'The batch is later than the model.',
  pairs BIGINT NOT NULL COMMENT 'Held-apart pairs, each once, by one label.',
  correct DOUBLE NOT NULL COMMENT 'Pairs on which the model prefers what the annotator preferred; a pair with equal scores counts half.',
  accuracy DOUBLE NOT NULL COMMENT 'correct / pairs.',
  low DOUBLE NOT NULL COMMENT 'Lower end of the 95 % Wilson interval.',
  high DOUBLE NOT NULL COMMENT 'Upper end.',
  longer_accuracy DOUBLE NOT NULL COMMENT 'Of the null that prefers the longer response, on the same pairs.',
  position_consistency DOUBLE COMMENT 'Share of pairs with one verdict in both orders; NULL for pointwise.',
  change DOUBLE COMMENT 'Accuracy less that of the model before, on the same pairs; NULL where the model before did not know the batch.',
  change_low DOUBLE COMMENT 'Lower end of its interval (Agresti-Min; Bonferroni over the model’s watched batches).',
  change_high DOUBLE COMMENT 'Upper end.',
  gate STRING COMMENT 'regressed, undecided or holds: where the interval of the change lies against -0.02. NULL where there is no change.',
  training_pairs BIGINT NOT NULL COMMENT 'Labels that the model was trained on.',
  source_table STRING NOT NULL COMMENT 'stage.table@version that was read.',
  base_model STRING NOT NULL COMMENT 'What training started from.',
  configuration_hash STRING NOT NULL COMMENT 'Of the run configuration.',
  ds DATE NOT NULL COMMENT 'Day of the last batch.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'Accuracy of each reward model on each batch, as in Table 8: one row a cell, every measurement kept.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'model, kind, mode, batch, source_table, configuration_hash, training_pairs',
  'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '1200'
);
ALTER TABLE preherding.rm_accuracy ADD CONSTRAINT known_kind CHECK (kind IN ('pointwise', 'pairwise'));
ALTER TABLE preherding.rm_accuracy ADD CONSTRAINT inside_interval CHECK (low <= accuracy AND accuracy <= high);
ALTER TABLE preherding.rm_accuracy ADD CONSTRAINT correct_of_pairs CHECK (pairs > 0 AND correct >= 0 AND correct <= pairs);
ALTER TABLE preherding.rm_accuracy ADD CONSTRAINT gate_has_change CHECK (gate IS NULL OR change IS NOT NULL);
ALTER TABLE preherding.rm_accuracy ADD CONSTRAINT dated_model CHECK (model >= 'RM_0' AND model < 'RM_:');
