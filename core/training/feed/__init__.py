"""The inputs of training steps: images in the order of the run, and random numbers."""
