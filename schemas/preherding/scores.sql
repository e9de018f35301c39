CREATE TABLE preherding.scores (
  turn_id STRING NOT NULL COMMENT 'Turn whose prompt was answered again. Key, with model, model_version and response_no.',
  model STRING NOT NULL COMMENT 'Reward model that gave the score.',
  model_version STRING NOT NULL COMMENT 'Its registered version.',
  response_no INT NOT NULL COMMENT 'Which of the k responses to the prompt, 1 to k: 1 is the one that stood, the others those it superseded, latest first.',
  score DOUBLE NOT NULL COMMENT 'Reward. Compared within a prompt only: magnitudes are not comparable across prompts.',
  trained_until DATE NOT NULL COMMENT 'Last day of traffic that the reward model was trained on: curation reads scores of models trained before its window.',
  ds DATE NOT NULL COMMENT 'Day of the turn.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Reward of each of k responses to a prompt, by reward model; their variance is the prompt’s difficulty to the next generation.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'turn_id, model, model_version, response_no',
  'flywheel.write' = 'replace_days', 'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
ALTER TABLE preherding.scores ADD CONSTRAINT counted_from_one CHECK (response_no >= 1);
