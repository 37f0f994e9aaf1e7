"""Optimizing arrays through networks: style transfer, projection, directions of a latent space."""
