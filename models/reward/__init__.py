"""Preference models of section 2.3.1: pointwise Bradley-Terry (equation 1) and pairwise (equations 2 to 4)."""
