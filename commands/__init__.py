"""The commands, one per module: each parses options, calls the library and prints."""
