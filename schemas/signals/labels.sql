CREATE TABLE signals.labels (
  turn_id STRING NOT NULL COMMENT 'Key: every turn of the day is here once.',
  conversation_id STRING NOT NULL COMMENT 'As in traffic.turns.',
  session_id STRING NOT NULL COMMENT 'As in traffic.turns.',
  turn_index INT NOT NULL COMMENT 'As in traffic.turns.',
  session_turn_index INT NOT NULL COMMENT 'As in traffic.turns.',
  depth_band STRING NOT NULL COMMENT 'Band of turn_index: sampling.depth_bands.',
  is_final BOOLEAN NOT NULL COMMENT 'As in traffic.turns: false when superseded by a regeneration.',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  character_id STRING COMMENT 'As in traffic.turns.',
  model_version STRING NOT NULL COMMENT 'Model that served the response.',
  source STRING NOT NULL COMMENT 'user or internal.',
  surface STRING COMMENT 'As in traffic.turns.',
  locale STRING NOT NULL COMMENT 'As in traffic.turns.',
  language STRING NOT NULL COMMENT 'As in traffic.turns.',
  split STRING NOT NULL COMMENT 'train or evaluation, as in traffic.turns.',
  response_ts TIMESTAMP NOT NULL COMMENT 'Time of the response, UTC.',
  is_synthetic_time BOOLEAN NOT NULL COMMENT 'True when an importer invented the times.',
  continued BOOLEAN COMMENT 'The user wrote again in the conversation within signals.continue_minutes. NULL: window or late margin open, superseded, or invented times.',
  replied_in_session BOOLEAN COMMENT 'The user wrote again before the session ended: the proxy where only session times exist. NULL: open or superseded.',
  love BOOLEAN COMMENT 'Love reaction within signals.reaction_minutes that still stood at its end. NULL: open, or the log never records it.',
  thumb_up BOOLEAN COMMENT 'Thumb up, by the same rule.',
  thumb_down BOOLEAN COMMENT 'Thumb down, by the same rule.',
  emoji_reaction BOOLEAN COMMENT 'Any other reaction, by the same rule.',
  feedback BOOLEAN COMMENT 'Written feedback within signals.reaction_minutes. NULL: as for love.',
  regenerated BOOLEAN COMMENT 'The user asked for another response within signals.reaction_minutes. NULL: as for love.',
  observed_until_ts TIMESTAMP NOT NULL COMMENT 'A window that ends by then is closed: end of the landed days that follow without a gap, less signals.late_margin_minutes.',
  ds DATE NOT NULL COMMENT 'As in traffic.turns.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'What the user did after each served response: true, false, or NULL while nobody can know. The future side: never a feature.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'turn_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'pseudonyms', 'flywheel.retention_days' = '400'
);
ALTER TABLE signals.labels ADD CONSTRAINT superseded_has_no_reply CHECK (is_final OR (continued IS NULL AND replied_in_session IS NULL));
ALTER TABLE signals.labels ADD CONSTRAINT invented_times_tell_no_minutes CHECK (NOT is_synthetic_time OR continued IS NULL);
ALTER TABLE signals.labels ADD CONSTRAINT nothing_known_before_it_can_be CHECK (observed_until_ts > response_ts OR (continued IS NULL AND replied_in_session IS NULL AND love IS NULL AND thumb_up IS NULL AND thumb_down IS NULL AND emoji_reaction IS NULL AND feedback IS NULL AND regenerated IS NULL));
