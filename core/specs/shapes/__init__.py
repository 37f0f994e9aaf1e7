"""From the layers of a network to named nodes with shapes, parameters and initial values."""
