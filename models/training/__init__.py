"""What reward models and signal models share: one logit over a sequence, trained, scored and planned for in one way."""
