CREATE TABLE curation.screened (
  turn_id STRING NOT NULL COMMENT 'Key: every turn of the day is here once.',
  conversation_id STRING NOT NULL COMMENT 'As in traffic.turns.',
  session_id STRING NOT NULL COMMENT 'As in traffic.turns.',
  turn_index INT NOT NULL COMMENT 'As in traffic.turns.',
  session_turn_index INT NOT NULL COMMENT 'As in traffic.turns.',
  is_final BOOLEAN NOT NULL COMMENT 'As in traffic.turns.',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  character_id STRING COMMENT 'As in traffic.turns.',
  model_version STRING NOT NULL COMMENT 'As in traffic.turns.',
  source STRING NOT NULL COMMENT 'As in traffic.turns.',
  surface STRING COMMENT 'As in traffic.turns.',
  locale STRING NOT NULL COMMENT 'As in traffic.turns.',
  language STRING NOT NULL COMMENT 'As in traffic.turns.',
  message_ts TIMESTAMP COMMENT 'As in traffic.turns.',
  response_ts TIMESTAMP NOT NULL COMMENT 'As in traffic.turns.',
  is_synthetic_time BOOLEAN NOT NULL COMMENT 'As in traffic.turns.',
  split STRING NOT NULL COMMENT 'As in traffic.turns.',
  verdict STRING NOT NULL COMMENT 'pass, reject or review; a reviewer’s decision on this policy and content counts.',
  reasons ARRAY<STRING> NOT NULL COMMENT 'Why, e.g. redacted:EMAIL_ADDRESS, unsafe:S10, unsupported_language, detector_error:names.',
  privacy_spans ARRAY<STRUCT<field: STRING, start: INT, end: INT, type: STRING, score: DOUBLE>> NOT NULL COMMENT 'Identifiers found: field (user_message, response) and character offsets in the raw text; never the text.',
  safety_category STRING COMMENT 'Highest-scoring S category; NULL when none.',
  safety_score DOUBLE COMMENT 'Its score in [0, 1]; NULL when no detector gave one.',
  redacted_user_message STRING COMMENT 'Identifiers replaced by <TYPE>, people by <PERSON_n> (n: which person of the conversation); NULL unless verdict = pass. [pii: redacted]',
  redacted_response STRING COMMENT 'Identifiers replaced as in redacted_user_message; NULL unless verdict = pass. [pii: redacted]',
  content_hash STRING NOT NULL COMMENT 'Keyed hash of message and response: what a review decision binds to.',
  policy_version STRING NOT NULL COMMENT 'Hash of the screening policy.',
  detector_versions MAP<STRING, STRING> NOT NULL COMMENT 'Detector name to version.',
  ds DATE NOT NULL COMMENT 'As in traffic.turns.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Phase I: one verdict a turn, with redacted text for those that pass.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'turn_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'redacted text', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.screened ADD CONSTRAINT known_verdict CHECK (verdict IN ('pass', 'reject', 'review'));
ALTER TABLE curation.screened ADD CONSTRAINT text_only_when_passed CHECK (verdict = 'pass' OR (redacted_user_message IS NULL AND redacted_response IS NULL));
