"""The parts of a training step: the discriminator, penalties, path lengths."""
