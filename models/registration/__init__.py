"""What stands behind `models.registry`: the connection to MLflow, what a version tells of itself, and its checks."""
