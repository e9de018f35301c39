"""The `flywheel` command: thin, calls the jobs and the infrastructure."""
