"""Commands for screening: the review queue and the safety classifier."""
