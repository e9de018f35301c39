CREATE TABLE curation.composition (
  dataset_id STRING NOT NULL COMMENT 'Key, with split, ds, dimension, level, outcome and reason.',
  split STRING NOT NULL COMMENT 'train or evaluation.',
  dimension STRING NOT NULL COMMENT 'A dimension of Table 1: first_turn, character, locale_language, jtbd, depth_band, quality_band or difficulty_band.',
  level STRING NOT NULL COMMENT 'Value of the dimension; (other): all beyond the 200 most frequent.',
  outcome STRING NOT NULL COMMENT 'Where the turns ended: rejected, in_review, near_duplicate, diversity_budget, split_leak, context_unsafe, not_sampled or selected.',
  reason STRING NOT NULL COMMENT 'First reason of the screening, or kind of the binding constraint; empty where the outcome says it all.',
  turns BIGINT NOT NULL COMMENT 'Usable turns: of each dimension they add up to all of the day and split.',
  users DOUBLE NOT NULL COMMENT 'The same turns, weighed so that each user of the day and split counts once.',
  ds DATE NOT NULL COMMENT 'Day of the turns.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (dataset_id)
COMMENT 'What became of the usable turns of a dataset’s window, by day and level of all seven dimensions of Table 1.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'dataset_id, split, ds, dimension, level, outcome, reason', 'flywheel.write' = 'replace_scope:dataset_id',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.composition ADD CONSTRAINT some_turns CHECK (turns > 0);
