"""The HTML report of a comparison, and the table of its runs on a terminal."""
