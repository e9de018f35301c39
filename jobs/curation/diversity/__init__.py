"""Phase II: finds near-duplicate prompts and decides which turns of a day are kept."""
