CREATE TABLE curation.constraints (
  dataset_id STRING NOT NULL COMMENT 'Key, with split, dimension, level and kind.',
  split STRING NOT NULL COMMENT 'Solved per split.',
  dimension STRING NOT NULL COMMENT 'size, first_turn, character, locale_language, jtbd, depth_band, quality_band or difficulty_band.',
  level STRING NOT NULL COMMENT 'Value of the dimension.',
  kind STRING NOT NULL COMMENT 'floor, cap, target, or monitored (no constraint asked).',
  wanted DOUBLE COMMENT 'Rows asked for; NULL when monitored.',
  used DOUBLE COMMENT 'Rows it was solved for: as wanted, unless it gave way; of the size, K. NULL when monitored.',
  relax_order INT COMMENT 'Place in sampling.relax of the entry by which it gave way, from 1; NULL: it holds as asked.',
  available BIGINT NOT NULL COMMENT 'Candidates of that level.',
  before BIGINT NOT NULL COMMENT 'user turns of the window at that level before Phase I.',
  achieved BIGINT NOT NULL COMMENT 'Rows of that level in the sample, recounted from it.',
  slack DOUBLE COMMENT 'Distance to the bound (floor: achieved - wanted; cap: wanted - achieved; target: |achieved - wanted|). Below 0 only where it gave way.',
  sample_size BIGINT NOT NULL COMMENT 'K of the split.',
  optimality_gap DOUBLE NOT NULL COMMENT 'Relative gap of the objective to the best bound proven: of the LP, or of branch and bound where it ran.',
  ds DATE NOT NULL COMMENT 'Last day of the window.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (dataset_id)
COMMENT 'What was asked of a dataset and what it got, for all seven dimensions of Table 1.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'dataset_id, split, dimension, level, kind', 'flywheel.write' = 'replace_scope:dataset_id',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.constraints ADD CONSTRAINT bounds_hold CHECK (kind NOT IN ('floor', 'cap') OR slack >= 0 OR relax_order IS NOT NULL OR sample_size = 0);
ALTER TABLE curation.constraints ADD CONSTRAINT size_is_exact CHECK (dimension <> 'size' OR achieved = sample_size);
