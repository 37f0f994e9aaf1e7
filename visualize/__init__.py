"""Pictures and animations of runs: interpolation, traversal, growth, curves."""
