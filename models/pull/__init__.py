"""Pull a pinned table to files for training elsewhere, with a dataset card."""
