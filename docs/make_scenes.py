"""Draw landscapes: sky, sun, hills, trees and water, as a folder of color images to train on.

python docs/make_scenes.py --count 20000 --size 64 --out scenes
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SCALE = 4
"""Pixels drawn per pixel saved, in each direction, so that edges are smooth."""


def mix(first, second, share):
    """Return a color between two, as integers."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def draw_scene(rng, size):
    """Return a landscape of size × size pixels."""
    side = size * SCALE
    image = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(image)
    time = rng.uniform()  # of the day: 0 noon, 1 dusk
    high, low = mix((70, 130, 220), (40, 30, 90), time), mix((190, 220, 250), (250, 140, 70), time)
    horizon = side * rng.uniform(0.45, 0.65)
    for row in range(side):
        draw.line([(0, row), (side, row)], fill=mix(high, low, min(row / horizon, 1.0)))
    x, radius = side * rng.uniform(0.15, 0.85), side * rng.uniform(0.05, 0.09)
    y = horizon * (0.25 + 0.6 * time)
    sun = mix((255, 245, 190), (255, 170, 90), time)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=sun)

    columns = np.arange(side + 1)
    near = mix((60, 140, 60), (30, 50, 45), time)
    for depth in range(3):  # hills, the farthest first
        waves = rng.uniform(0.5, 2.0, 2) * (1 + depth)
        phases = rng.uniform(0, 2 * np.pi, 2)
        heights = sum(
            np.sin(2 * np.pi * w * columns / side + p) for w, p in zip(waves, phases, strict=True)
        )
        top = horizon + side * (0.09 * depth - 0.04 - 0.035 * heights)
        color = mix(low, near, (1 + depth) / 3)
        draw.polygon(
            [(0, side), *zip(columns.tolist(), top.tolist(), strict=True), (side, side)], fill=color
        )
    if rng.uniform() < 0.5:  # water in front
        shore = side * rng.uniform(0.8, 0.9)
        draw.rectangle([0, shore, side, side], fill=mix((80, 140, 200), (120, 80, 110), time))
    else:
        for _ in range(rng.integers(1, 5)):
            foot = (side * rng.uniform(0.05, 0.95), side * rng.uniform(0.8, 0.98))
            draw_tree(
                draw, foot, side * rng.uniform(0.15, 0.3), mix((25, 85, 40), (15, 30, 30), time)
            )
    return image.resize((size, size), Image.Resampling.BOX)


def draw_tree(draw, foot, height, color):
    """Draw a fir whose trunk ends at foot."""
    x, y = foot
    draw.rectangle([x - height / 20, y - height / 4, x + height / 20, y], fill=(70, 45, 30))
    for part in range(3):
        top, half = y - height * (1 - 0.22 * part), height * (0.16 + 0.06 * part)
        draw.polygon(
            [(x, top), (x - half, top + height * 0.4), (x + half, top + height * 0.4)], fill=color
        )


def main():
    """Write the files."""
    parser = argparse.ArgumentParser(description="Draw landscapes as a folder of PNG files.")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64, help="pixels of each side")
    parser.add_argument("--out", type=Path, default=Path("scenes"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        scene = draw_scene(np.random.default_rng(number), options.size)
        scene.save(options.out / f"{number:06}.png")


if __name__ == "__main__":
    main()
