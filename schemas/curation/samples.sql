CREATE TABLE curation.samples (
  dataset_id STRING NOT NULL COMMENT 'Name, window and settings hash. Key, with turn_id.',
  turn_id STRING NOT NULL COMMENT 'The sampled turn.',
  conversation_id STRING NOT NULL COMMENT 'As in traffic.turns.',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  model_version STRING NOT NULL COMMENT 'Model that served the response.',
  source STRING NOT NULL COMMENT 'user or internal.',
  split STRING NOT NULL COMMENT 'train or evaluation.',
  is_first_turn BOOLEAN NOT NULL COMMENT 'Table 1: first turn of the conversation (of the session, by setting).',
  character_id STRING COMMENT 'Table 1: NULL = none, exempt from the cap.',
  locale STRING NOT NULL COMMENT 'Table 1, one dimension with language.',
  language STRING NOT NULL COMMENT 'Table 1.',
  jtbd STRING NOT NULL COMMENT 'Table 1: job to be done.',
  depth_band STRING NOT NULL COMMENT 'Table 1: 1, 2-5, 6-20, 21+ by default.',
  quality_band STRING NOT NULL COMMENT 'Table 1: prompt quality, banded.',
  difficulty_band STRING NOT NULL COMMENT 'Table 1: prompt difficulty, banded: easy, medium, hard, or unknown without scores (jobs/curation/sampling/difficulty.py).',
  inclusion_probability DOUBLE NOT NULL COMMENT 'n/N of the stratum.',
  weight DOUBLE NOT NULL COMMENT '1 / inclusion_probability.',
  stratum STRING NOT NULL COMMENT 'Stratum it was drawn from.',
  context STRING NOT NULL COMMENT 'JSON: redacted character and messages before the response, assembled from passing turns. [pii: redacted]',
  response STRING NOT NULL COMMENT 'Redacted response. [pii: redacted]',
  ds DATE NOT NULL COMMENT 'Day of the turn.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (dataset_id)
COMMENT 'Phase III: one dataset’s turns, ready for annotation and training.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'dataset_id, turn_id', 'flywheel.write' = 'replace_scope:dataset_id',
  'flywheel.pii' = 'redacted text', 'flywheel.retention_days' = '400'
);
