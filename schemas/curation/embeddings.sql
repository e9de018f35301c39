CREATE TABLE curation.embeddings (
  text_hash STRING NOT NULL COMMENT 'Keyed hash of the redacted prompt_text. Key, with recipe and encoder.',
  recipe STRING NOT NULL COMMENT 'Version of what prompt_text is made of.',
  encoder STRING NOT NULL COMMENT 'Model, backend and precision.',
  embedding ARRAY<FLOAT> NOT NULL COMMENT 'Unit length.',
  ds DATE NOT NULL COMMENT 'Day that first needed it.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'One distinct redacted prompt text, embedded once ever.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'text_hash, recipe, encoder', 'flywheel.write' = 'merge_insert',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
