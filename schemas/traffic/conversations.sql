CREATE TABLE traffic.conversations (
  conversation_id STRING NOT NULL COMMENT 'Key.',
  user_id STRING COMMENT 'Keyed hash. [pii: pseudonym]',
  character_id STRING COMMENT 'NULL = no character.',
  source STRING NOT NULL COMMENT 'user or internal.',
  started_ts TIMESTAMP NOT NULL COMMENT 'First message or response, UTC.',
  last_ts TIMESTAMP NOT NULL COMMENT 'Last message or response, UTC.',
  turns BIGINT NOT NULL COMMENT 'Responses served.',
  user_messages BIGINT NOT NULL COMMENT 'Messages sent by the user, not joined.',
  unanswered_messages BIGINT NOT NULL COMMENT 'Messages that no response followed.',
  ds DATE NOT NULL COMMENT 'UTC date of started_ts.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'One conversation with what is known of it so far.'
TBLPROPERTIES (
  'flywheel.root' = 'restricted', 'flywheel.key' = 'conversation_id', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'pseudonyms', 'flywheel.retention_days' = '400'
);
