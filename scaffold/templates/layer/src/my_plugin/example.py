"""A residual block, composed of gandem's layers."""

from gandem.core.specs import Conv2D, LeakyRelu, Residual


def example(*, filters: int, slope: float = 0.2) -> Residual:
    """Return two convolutions with a shortcut (He et al. 2015, arXiv:1512.03385).

    Args:
        filters: of both convolutions.
        slope: of the leaky ReLUs for negative inputs.
    """
    return Residual(
        layers=(
            LeakyRelu(slope=slope),
            Conv2D(filters=filters, kernel=3),
            LeakyRelu(slope=slope),
            Conv2D(filters=filters, kernel=3),
        ),
        shortcut=(Conv2D(filters=filters, kernel=1),),
    )
