"""Commands that train and register models, and the GPU queue."""
