"""Trainings that start from the weights of another run, or of a file."""
