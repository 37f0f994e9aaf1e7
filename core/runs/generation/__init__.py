"""Samples of a trained generator, from noise, given vectors or styles."""
