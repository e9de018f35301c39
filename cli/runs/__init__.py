"""Commands that run the pipeline: plan, run."""
