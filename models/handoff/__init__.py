"""What stands behind `models.datasets`: table versions as files, conditions, streams, pulls, leakage and lengths."""
