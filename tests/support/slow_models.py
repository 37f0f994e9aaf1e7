"""The models whose steps only the slow tier makes."""

COMPOSED = frozenset({"ragan", "dragan", "pacgan", "sngan", "sngan-projection", "lecam-gan"})
"""Their layers and losses are parts of other models, or of variants of the conformance suite."""
DEEP = frozenset({"sagan", "biggan", "r3gan"})
"""Their single steps are fast enough, their trajectories are not."""
