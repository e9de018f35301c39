CREATE TABLE traffic.events (
  event_id STRING NOT NULL COMMENT 'Stable id the product gave the event. Key.',
  event_ts TIMESTAMP NOT NULL COMMENT 'When it happened, UTC.',
  received_ts TIMESTAMP NOT NULL COMMENT 'When the logging service received it, UTC.',
  received_ds DATE NOT NULL COMMENT 'Landing unit: the day whose folder held the event.',
  event_type STRING NOT NULL COMMENT 'message, response, reaction, feedback, regenerate, exposure or character_update.',
  source STRING NOT NULL COMMENT 'user (production traffic) or internal (vendors, experts).',
  surface STRING COMMENT 'Where it happened: instagram, whatsapp, messenger, web, ...; NULL when unknown.',
  user_id STRING COMMENT 'Keyed hash of the product’s user id. [pii: pseudonym]',
  conversation_id STRING COMMENT 'Conversation the event belongs to.',
  turn_id STRING COMMENT 'Served response the event concerns.',
  character_id STRING COMMENT 'Character spoken to; NULL = none.',
  model_version STRING COMMENT 'Model that served the response.',
  locale STRING COMMENT 'BCP-47 tag as logged; NULL when not logged.',
  payload STRING COMMENT 'JSON object of the event type, unknown fields under "extra". [pii: raw]',
  source_file STRING NOT NULL COMMENT 'Landing file, relative to the landing root.',
  line BIGINT NOT NULL COMMENT 'Line (JSONL) or row (Parquet) in that file, from 1.',
  ds DATE NOT NULL COMMENT 'UTC date of event_ts.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'One logged event, as received. Insert-only: the first received of an id wins.'
TBLPROPERTIES (
  'flywheel.root' = 'restricted', 'flywheel.key' = 'event_id', 'flywheel.write' = 'merge_insert',
  'flywheel.pii' = 'raw text', 'flywheel.retention_days' = '90'
);
ALTER TABLE traffic.events ADD CONSTRAINT known_event_type CHECK (event_type IN ('message', 'response', 'reaction', 'feedback', 'regenerate', 'exposure', 'character_update'));
ALTER TABLE traffic.events ADD CONSTRAINT known_source CHECK (source IN ('user', 'internal'));
