"""Commands that import, describe and hand over data: import, tables, outcomes, preferences, pull, lengths."""
