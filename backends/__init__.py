"""Backends, one folder for each framework, with the same file names in each: porting is two files
side by side.
"""
