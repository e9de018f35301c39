CREATE TABLE curation.reviews (
  turn_id STRING NOT NULL COMMENT 'Key, with policy_version and decided_ts.',
  policy_version STRING NOT NULL COMMENT 'The policy the decision was taken under.',
  decided_ts TIMESTAMP NOT NULL COMMENT 'When, UTC.',
  decision STRING NOT NULL COMMENT 'approve or reject.',
  reviewer STRING NOT NULL COMMENT 'Who decided.',
  note STRING COMMENT 'Why, in the reviewer’s words. [pii: raw]',
  content_hash STRING NOT NULL COMMENT 'The content the decision binds to.',
  turn_ds DATE NOT NULL COMMENT 'Day of the turn.',
  ds DATE NOT NULL COMMENT 'UTC date of decided_ts.',
  run_id STRING NOT NULL COMMENT 'Id of the command that wrote the row.',
  sequence BIGINT COMMENT 'Orders the decisions, whatever a clock said: version of this table before the row was added.'
) USING delta
COMMENT 'Reviewers’ decisions, append-only; the last on a policy and content is in force.'
TBLPROPERTIES (
  'flywheel.root' = 'restricted', 'flywheel.key' = 'turn_id, policy_version, decided_ts', 'flywheel.write' = 'append',
  'flywheel.pii' = 'raw text', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.reviews ADD CONSTRAINT known_decision CHECK (decision IN ('approve', 'reject'));
