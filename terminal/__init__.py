"""What commands and loaders show on a terminal: progress and tables."""
