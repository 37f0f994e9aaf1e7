"""The stored references, and the plain NumPy that computes those of single operations."""
