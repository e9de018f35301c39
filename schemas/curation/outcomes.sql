CREATE TABLE curation.outcomes (
  turn_id STRING NOT NULL COMMENT 'Key: every turn of the day is here once.',
  outcome STRING NOT NULL COMMENT 'ineligible, rejected, in_review, near_duplicate, diversity_budget or eligible.',
  reason STRING COMMENT 'First reason in one word, e.g. greeting, superseded, internal, unsafe:S10.',
  detail STRING COMMENT 'More of it: all reasons, or the kept turn and the similarity.',
  split STRING NOT NULL COMMENT 'train or evaluation.',
  source STRING NOT NULL COMMENT 'user or internal.',
  language STRING NOT NULL COMMENT 'As in traffic.turns.',
  ds DATE NOT NULL COMMENT 'As in traffic.turns.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Where each turn of a day ended before sampling.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'turn_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.outcomes ADD CONSTRAINT known_outcome CHECK (outcome IN ('ineligible', 'rejected', 'in_review', 'near_duplicate', 'diversity_budget', 'eligible'));
