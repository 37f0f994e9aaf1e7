"""The independent reference for losses and optimizers: their formulas and gradients.

They are computed in long doubles, which have 80 bits on x86-64, and returned as float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gandem.core.specs import SGD, Adam, AdamW, Optimizer, RMSprop
from gandem.core.training import Arrays


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(x)) for every x."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def loss(rule: str, role: str, logits: Arrays, target: float) -> tuple[float, Arrays]:
    """Return the value of a loss and its gradient by each array of logits (N, 1).

    ``rule`` is the name of the class.
    """
    exact = {name: value.astype(np.longdouble) for name, value in logits.items()}
    if role == "pair":
        value, *slopes = _pair(rule, exact["real"], exact["fake"])
    elif role == "pair_generator":
        value, *slopes = _pair(rule, exact["fake"], exact["real"])
        slopes.reverse()
    else:
        value, *slopes = _half(rule, role, exact["logits"], target)
    gradients = {
        name: (slope / slope.size).astype(np.float64)
        for name, slope in zip(exact, slopes, strict=True)
    }
    return float(value.mean()), gradients


def _pair(rule: str, real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return a paired loss of each pair, and its slopes by the real and the fake logits.

    A mean of logits has a slope by each of them.
    """
    if rule == "Relativistic":
        d = real - fake
        return _softplus(-d), -_sigmoid(-d), _sigmoid(-d)
    a, b = real - fake.mean(), fake - real.mean()
    kinds: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {
        "RelativisticAverage": (_softplus(-a) + _softplus(b), -_sigmoid(-a), _sigmoid(b)),
        "RelativisticAverageHinge": (
            np.maximum(0, 1 - a) + np.maximum(0, 1 + b),
            np.where(1 - a > 0, -1, 0 * a),
            np.where(1 + b > 0, 1, 0 * b),
        ),
        "RelativisticAverageLeastSquares": (
            (a - 1) ** 2 + (b + 1) ** 2,
            2 * (a - 1),
            2 * (b + 1),
        ),
    }
    value, by_a, by_b = kinds[rule]
    return value, by_a - by_b.mean(), by_b - by_a.mean()


def _half(rule: str, role: str, logits: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    """Return one part of a loss for each logit, and its slope.

    With σ(x) = 1/(1 + exp(-x)), -log σ(x) = softplus(-x) and -log(1 - σ(x)) = softplus(x).
    """
    x, t = logits, target
    cross = (t * _softplus(-x) + (1 - t) * _softplus(x), (1 - t) * _sigmoid(x) - t * _sigmoid(-x))
    fake = (_softplus(x), _sigmoid(x))
    halves: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {
        ("Minimax", "real"): cross,
        ("Minimax", "fake"): fake,
        ("Minimax", "generator"): (-_softplus(x), -_sigmoid(x)),
        ("NonSaturating", "real"): cross,
        ("NonSaturating", "fake"): fake,
        ("NonSaturating", "generator"): (_softplus(-x), -_sigmoid(-x)),
        ("LeastSquares", "real"): ((x - t) ** 2 / 2, x - t),
        ("LeastSquares", "fake"): (x**2 / 2, x),
        ("LeastSquares", "generator"): ((x - 1) ** 2 / 2, x - 1),
        ("Hinge", "real"): (np.maximum(0, 1 - x), np.where(1 - x > 0, -1, 0 * x)),
        ("Hinge", "fake"): (np.maximum(0, 1 + x), np.where(1 + x > 0, 1, 0 * x)),
        ("Hinge", "generator"): (-x, 0 * x - 1),
        ("Wasserstein", "real"): (-x, 0 * x - 1),
        ("Wasserstein", "fake"): (x, 0 * x + 1),
        ("Wasserstein", "generator"): (-x, 0 * x - 1),
    }
    plain = "NonSaturating" if rule == "InfoGAN" else rule  # it adds an auxiliary network
    return halves[plain, role]


def optimize(
    optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
) -> list[dict[str, np.ndarray]]:
    """Compute :meth:`ConformanceTarget.optimize`, one weight array at a time."""
    exact = [{k: g.astype(np.longdouble) for k, g in step.items()} for step in gradients]
    if optimizer.clip_norm:
        for step in exact:
            norm = np.sqrt(sum((g**2).sum() for g in step.values()))
            for name in step:
                step[name] = step[name] * min(1, optimizer.clip_norm / (norm + 1e-6))
    after: list[dict[str, np.ndarray]] = [{} for _ in gradients]
    for name, weight in arrays.items():
        p = weight.astype(np.longdouble)
        m = np.zeros_like(p)  # first moment, or momentum
        v = np.zeros_like(p)  # second moment
        for t, gradient in enumerate(exact, start=1):
            p, m, v = _update(optimizer, t, p, m, v, gradient[name])
            after[t - 1][name] = p.astype(np.float64)
    return after


def _update(
    optimizer: Optimizer, t: int, p: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weights and moments after update number ``t``, counted from 1."""
    numbers: Any = optimizer  # without schedules
    rate = numbers.learning_rate
    match optimizer:
        case Adam():
            if isinstance(optimizer, AdamW):
                p = p * (1 - np.longdouble(rate) * numbers.weight_decay)
            else:
                g = g + numbers.weight_decay * p
            beta1, beta2 = np.longdouble(numbers.beta1), np.longdouble(numbers.beta2)
            m = m + (1 - beta1) * (g - m)
            v = beta2 * v + (1 - beta2) * g**2
            correction = np.sqrt(1 - beta2**t)
            if optimizer.epsilon_placement == "uncorrected":
                step = rate * correction / (1 - beta1**t)
                return p - step * m / (np.sqrt(v) + optimizer.epsilon), m, v
            root = np.sqrt(v) / correction
            return p - rate / (1 - beta1**t) * m / (root + optimizer.epsilon), m, v
        case RMSprop():
            g = g + numbers.weight_decay * p
            v = numbers.decay * v + (1 - numbers.decay) * g**2
            return p - rate * g / (np.sqrt(v) + optimizer.epsilon), m, v
        case SGD():
            m = numbers.momentum * m + (g + numbers.weight_decay * p)
            return p - rate * m, m, v
    raise NotImplementedError(f"The reference has no optimizer {optimizer.kind!r}; add it here.")
