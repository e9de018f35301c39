"""Jobs: `jobs/<stage>/<job>.py` holds pure functions from frames to frames, and a `run` that reads and writes."""
