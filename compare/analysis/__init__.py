"""The analysis of a comparison: parity, differences of scores over seeds, costs, and the verdict."""
