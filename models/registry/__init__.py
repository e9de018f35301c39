"""Registered models: versions, aliases, pins and the lineage back to tables."""
