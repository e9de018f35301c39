"""Spark jobs: `jobs/<stage>/<job>.py` holds pure functions DataFrame -> DataFrame and a `run` that reads and writes."""
