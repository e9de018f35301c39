CREATE TABLE experiments.populations (
  experiment_id STRING NOT NULL COMMENT 'Key, with as_of_ds, segment, basis, input_versions and schema_version.',
  as_of_ds DATE NOT NULL COMMENT 'Last day that is counted.',
  segment STRING NOT NULL COMMENT 'all; column=value of a declared segment; first_exposure_ds=date.',
  basis STRING NOT NULL COMMENT 'assigned (all users logged in an arm in the window), exposed (of those, the users read out), or why users were excluded: internal, ineligible, bot, in_several_arms.',
  users MAP<STRING,BIGINT> NOT NULL COMMENT 'Arm to users; 0 where there is none.',
  sample_ratio_p DOUBLE COMMENT 'Chi-square test against the declared shares; NULL for exclusions, and where nobody is.',
  sample_ratio_p_adjusted DOUBLE COMMENT 'Holm over the days, or over the levels of all segments, of the same basis; as it is for all.',
  sample_ratio_alarm BOOLEAN NOT NULL COMMENT 'Below 0.001 after correction: no verdict is given.',
  input_versions STRING NOT NULL COMMENT 'JSON: table to the first Delta version at which what was read is as it was: read there, it gives the same numbers.',
  schema_version INT NOT NULL COMMENT 'Of this table and of experiments.readouts.',
  ds DATE NOT NULL COMMENT 'The same as as_of_ds.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'Who was assigned, exposed and excluded, by arm, and whether the arms have the sizes that they should.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'experiment_id, as_of_ds, segment, basis, input_versions, schema_version', 'flywheel.write' = 'merge_insert',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '3650'
);
ALTER TABLE experiments.populations ADD CONSTRAINT known_basis CHECK (basis IN ('assigned', 'exposed', 'internal', 'ineligible', 'bot', 'in_several_arms'));
