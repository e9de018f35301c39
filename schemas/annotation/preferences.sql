CREATE TABLE annotation.preferences (
  pair_id STRING NOT NULL COMMENT 'Two responses to one context. Key, with annotator_id.',
  annotator_id STRING NOT NULL COMMENT 'Keyed hash of who judged. [pii: pseudonym]',
  batch STRING NOT NULL COMMENT 'YYMMDD of ds: what a reward model RM_YYMMDD is trained on up to.',
  mode STRING NOT NULL COMMENT 'static: judged from a logged history; interactive: judged while conversing.',
  source STRING NOT NULL COMMENT 'Where the pair comes from, e.g. sandbox or hh-rlhf.',
  context STRING NOT NULL COMMENT 'JSON: redacted system prompt, character and messages before the responses (models/chat/conversation.py). [pii: redacted]',
  response_a STRING NOT NULL COMMENT 'Redacted response shown as A. [pii: redacted]',
  response_b STRING NOT NULL COMMENT 'Redacted response shown as B. [pii: redacted]',
  winner STRING NOT NULL COMMENT 'a, b, tie or both_bad.',
  user_id STRING COMMENT 'Keyed hash of whose conversation it is; NULL = nobody known. [pii: pseudonym]',
  guideline_version STRING COMMENT 'Annotation guidelines in force; NULL = not told.',
  split STRING NOT NULL COMMENT 'train or evaluation: by user as in traffic.turns, else by the hash of the conversation’s opening.',
  safety_category STRING COMMENT 'Worst category that screening found; only where preferences.keep_unsafe names the source. NULL = nothing unsafe.',
  content_hash STRING NOT NULL COMMENT 'Keyed hash of the pair as it landed: the same id with another content is refused.',
  policy_version STRING NOT NULL COMMENT 'Screening policy it passed.',
  ds DATE NOT NULL COMMENT 'Day of the batch.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Judged pairs, one row an annotator, all text screened and redacted: what reward models learn from (equation 1).'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'pair_id, annotator_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'redacted text', 'flywheel.retention_days' = '1200'
);
ALTER TABLE annotation.preferences ADD CONSTRAINT known_winner CHECK (winner IN ('a', 'b', 'tie', 'both_bad'));
ALTER TABLE annotation.preferences ADD CONSTRAINT known_mode CHECK (mode IN ('static', 'interactive'));
ALTER TABLE annotation.preferences ADD CONSTRAINT known_split CHECK (split IN ('train', 'evaluation'));
ALTER TABLE annotation.preferences ADD CONSTRAINT two_responses CHECK (response_a <> response_b);
ALTER TABLE annotation.preferences ADD CONSTRAINT no_empty_response CHECK (response_a <> '' AND response_b <> '');
