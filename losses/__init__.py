r"""GAN losses, one per file; ``registry.toml`` lists them.

All have the form :class:`gandem.core.training.AdversarialLoss`. In the formulas :math:`x` is a real
image, :math:`z` noise, :math:`G` the generator, :math:`D` the logits of the discriminator, and
:math:`\sigma` the logistic sigmoid.
"""
