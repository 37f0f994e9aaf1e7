"""Fakes and helpers that tests in several folders use."""
