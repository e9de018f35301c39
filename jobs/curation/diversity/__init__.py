"""Phase II: which prompts are near-duplicates, and which turns of a day are kept."""
