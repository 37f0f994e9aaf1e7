"""Numbers that carry their derivatives, so that the reference needs no framework.

The derivatives are taken by one coordinate u at a time, along a leading axis U:

    x + i·h·∂x/∂u    a complex step, h = 2**-100, too small to change the real part
    x + ε·∂x/∂v      a dual number, ε² = 0, along a fixed direction v

A dual number with complex coefficients also carries ∂²x/∂u∂v, exact to rounding. Squire & Trapp
1998, "Using complex variables to estimate derivatives of real functions"; Fike & Alonso 2011, "The
development of hyper-dual numbers for exact second-derivative calculations".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STEP = 2.0**-100
"""The complex step h."""
Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Dual:
    """a + b·ε with ε² = 0; a and b are complex arrays of one shape."""

    a: np.ndarray
    b: np.ndarray

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.a + other.a, self.b + other.b)

    def __sub__(self, other: Dual) -> Dual:
        return Dual(self.a - other.a, self.b - other.b)

    def __mul__(self, other: Dual) -> Dual:
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    def __matmul__(self, other: Dual) -> Dual:
        return Dual(self.a @ other.a, self.a @ other.b + self.b @ other.a)

    def __getitem__(self, index: Any) -> Dual:
        return Dual(self.a[index], self.b[index])

    def linear(self, function: Function) -> Dual:
        """Apply a linear function."""
        return Dual(function(self.a), function(self.b))

    def elementwise(self, function: Function, derivative: Function) -> Dual:
        """Apply a function to each element, given its derivative: f(a) + f'(a)·b·ε."""
        return Dual(function(self.a), derivative(self.a) * self.b)

    def expand_to(self, x: Dual) -> Dual:
        """Add axes to a parameter (U, ...) so that it broadcasts with ``x``."""
        ones = (1,) * (x.a.ndim - self.a.ndim)
        return self.linear(lambda t: t.reshape(t.shape[0], *ones, *t.shape[1:]))
