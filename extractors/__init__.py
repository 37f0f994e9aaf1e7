"""Extractors of features that scores are computed from: one a file, built when asked for."""
