CREATE TABLE signals.features (
  turn_id STRING NOT NULL COMMENT 'Key: every turn of the day that passed screening is here once.',
  jtbd STRING NOT NULL COMMENT 'Job to be done of the user message; (unjudged) for a turn that Phase II did not rank.',
  prior_sentiment DOUBLE COMMENT 'What the user wrote just before the response, from -1 to 1 (VADER compound); NULL where there is no message or the lexicon does not know the language.',
  response_words INT NOT NULL COMMENT 'Words of the redacted response, split at white space.',
  is_question BOOLEAN NOT NULL COMMENT 'The response ends by asking.',
  ds DATE NOT NULL COMMENT 'As in traffic.turns.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'What could be known of a turn when its response was served, from redacted text: the past side.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'turn_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
ALTER TABLE signals.features ADD CONSTRAINT sentiment_in_range CHECK (prior_sentiment IS NULL OR prior_sentiment BETWEEN -1 AND 1);
