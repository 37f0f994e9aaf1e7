"""The analysis of a comparison: parity, differences of scores, costs, and the verdict."""
