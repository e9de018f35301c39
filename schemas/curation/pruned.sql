CREATE TABLE curation.pruned (
  turn_id STRING NOT NULL COMMENT 'Key: an eligible turn ranked in its day and split.',
  split STRING NOT NULL COMMENT 'train or evaluation: pruning works within a split.',
  text_hash STRING NOT NULL COMMENT 'Keyed hash of the redacted prompt_text.',
  recipe STRING NOT NULL COMMENT 'As in curation.embeddings.',
  encoder STRING COMMENT 'Space it was compared in; NULL = lexical duplicates only.',
  quality DOUBLE NOT NULL COMMENT 'Prompt quality in [0, 1].',
  priority INT NOT NULL COMMENT 'Rank in its day and split, from 0; the kept ones are the first round(p*N).',
  kept BOOLEAN NOT NULL COMMENT 'priority < round(p*N).',
  is_duplicate_of STRING COMMENT 'Turn of the cover within the threshold, whatever p is; NULL for the cover itself.',
  kept_turn_id STRING COMMENT 'Nearest kept turn of a removed one; NULL when kept.',
  similarity DOUBLE COMMENT 'To kept_turn_id: cosine of the embeddings, or for a lexical duplicate the edit ratio of the normalised texts.',
  reason STRING COMMENT 'near_duplicate or diversity_budget; NULL when kept.',
  check_kind STRING NOT NULL COMMENT 'semantic, or no_semantic_check when no encoder knows the text.',
  cluster_id INT COMMENT 'Nearest centroid; NULL without semantic check.',
  ds DATE NOT NULL COMMENT 'As in traffic.turns.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Phase II: the priority order of the day and what was cut from it.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'turn_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.pruned ADD CONSTRAINT removed_has_reason CHECK ((kept AND reason IS NULL) OR (NOT kept AND reason IS NOT NULL));
