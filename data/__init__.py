"""Data sets: one ``load(argument, data_dir)`` a file, imported when someone asks for it."""
