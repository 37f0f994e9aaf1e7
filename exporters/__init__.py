"""Exporters: one file per format, each an entry of the registry."""
