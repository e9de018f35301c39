CREATE TABLE curation.review_queue (
  turn_id STRING NOT NULL COMMENT 'Key: a turn that a person must judge.',
  uncertainty DOUBLE NOT NULL COMMENT 'In [0, 1]; 1 = the detectors are least sure. The queue is read from the top.',
  reasons ARRAY<STRING> NOT NULL COMMENT 'What made it uncertain; never raw text.',
  language STRING NOT NULL COMMENT 'As in traffic.turns.',
  content_hash STRING NOT NULL COMMENT 'What a decision binds to.',
  policy_version STRING NOT NULL COMMENT 'Hash of the screening policy.',
  queued_ts TIMESTAMP NOT NULL COMMENT 'response_ts of the turn: when it could first be queued, UTC.',
  ds DATE NOT NULL COMMENT 'As in traffic.turns.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Turns with verdict review that nobody has decided under this policy and content.'
TBLPROPERTIES (
  'flywheel.root' = 'restricted', 'flywheel.key' = 'turn_id', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '90'
);
