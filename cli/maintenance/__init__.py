"""Commands that keep the lake healthy: doctor, erase, vacuum, lineage."""
