"""Diagnostics of a training: what its log shows, and suggestions."""
