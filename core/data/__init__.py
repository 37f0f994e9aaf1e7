"""Data in core: data sets, images, and a summary of both."""
