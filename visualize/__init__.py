"""Pictures and animations of runs and data sets: interpolation, traversal, growth, curves."""
