"""Jobs: `jobs/<stage>/<job>.py` holds pure functions from frames to a frame, and a `run` that reads, calls them and writes."""
