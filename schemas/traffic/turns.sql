CREATE TABLE traffic.turns (
  turn_id STRING NOT NULL COMMENT 'One served response. Key.',
  conversation_id STRING NOT NULL COMMENT 'Conversation the response was served in.',
  session_id STRING NOT NULL COMMENT 'conversation_id#n: n counts the silences of session_gap_minutes before it.',
  turn_index INT NOT NULL COMMENT 'User messages so far, consecutive ones joined; 0 = greeting before any.',
  session_turn_index INT NOT NULL COMMENT 'The same count within the session.',
  is_final BOOLEAN NOT NULL COMMENT 'False when a later response answers the same message (regenerated).',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  character_id STRING COMMENT 'NULL = no character.',
  model_version STRING NOT NULL COMMENT 'Model that served the response.',
  source STRING NOT NULL COMMENT 'user or internal.',
  surface STRING COMMENT 'Product surface.',
  locale STRING NOT NULL COMMENT 'BCP-47 tag; und when unknown.',
  language STRING NOT NULL COMMENT 'Detected language; hi-Latn for Romanised Hindi, und when unknown.',
  user_message STRING COMMENT 'User messages since the last response, joined by a newline; NULL before any. [pii: raw]',
  response STRING NOT NULL COMMENT 'The served response. [pii: raw]',
  message_ts TIMESTAMP COMMENT 'Time of the last joined message, UTC.',
  response_ts TIMESTAMP NOT NULL COMMENT 'Time of the response, UTC.',
  is_synthetic_time BOOLEAN NOT NULL COMMENT 'True when an importer invented the times.',
  split STRING NOT NULL COMMENT 'train or evaluation: salted hash of user_id, decided once.',
  ds DATE NOT NULL COMMENT 'UTC date of response_ts.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'One served response and the user message before it.'
TBLPROPERTIES (
  'flywheel.root' = 'restricted', 'flywheel.key' = 'turn_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'raw text', 'flywheel.retention_days' = '90'
);
ALTER TABLE traffic.turns ADD CONSTRAINT turn_index_not_negative CHECK (turn_index >= 0);
ALTER TABLE traffic.turns ADD CONSTRAINT known_split CHECK (split IN ('train', 'evaluation'));
