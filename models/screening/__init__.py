"""Screening: privacy and safety detectors, and the verdict on a text."""
