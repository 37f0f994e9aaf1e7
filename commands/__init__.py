"""The commands, by what they do; each parses, calls the library, prints."""
