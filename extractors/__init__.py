"""Feature extractors for scores: one per file, imported on use."""
