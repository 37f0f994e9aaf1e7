"""Saved models: trained networks in a folder that opens as a run, in the package, or on a hub."""
