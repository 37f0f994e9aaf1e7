"""Trainings in stages: their order, the inputs of their steps, and their engines."""
