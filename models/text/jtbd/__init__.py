"""What a user wants from a prompt: the job-to-be-done dimension of Table 1 (section 2.2.1)."""
