"""Plugins: finding, loading and checking what installed packages add to gandem."""
