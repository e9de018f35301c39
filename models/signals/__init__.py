"""User-signal models: how likely a user does something after a response (section 2.3.2, equations 6 and 7)."""
