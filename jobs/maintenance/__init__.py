"""Maintenance of tables (compaction, vacuum, retention, erasure) and lineage. No Spark jobs."""
