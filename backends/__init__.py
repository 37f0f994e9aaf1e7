"""Backends: one folder per framework, with the same file names in each."""
