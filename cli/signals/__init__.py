"""Commands for user signals."""
