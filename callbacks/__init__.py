"""Watchers of trainings: one plugin a file, imported when the registry is first read."""
