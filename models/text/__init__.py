"""Models of a text: language, embedding, jobs to be done, near-duplicates, sentiment."""
