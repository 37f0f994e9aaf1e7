"""One cycle of the learning rate, composed of gandem's schedules."""

from gandem.core.specs import Piecewise


def example(*, peak: float, end: float) -> Piecewise:
    """Return a rise to the peak and a fall to 0 (Smith & Topin 2017, arXiv:1708.07120).

    Args:
        peak: the largest value, after a third of the steps.
        end: steps after which the value is 0.
    """
    return Piecewise(values=(peak / 25, peak, 0.0), times=(0.0, end / 3, end))
