"""The core of gandem: specs, the training protocol, runs and parity.  It knows no framework, no
model, no command.
"""
