"""Data sets: one ``load(argument, data_dir)`` per file, imported on use."""
