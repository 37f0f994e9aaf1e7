"""Draw the style of docs/pictures/style-cat.png: brush strokes along a field with five swirls.

``python docs/make_strokes.py strokes.png`` writes 512 × 512 pixels, the same on every machine.
"""

import sys

import numpy as np
from PIL import Image, ImageDraw

SIZE, STROKES, POINTS = 512, 5200, 26
SWIRLS = [(150, 150, 1), (370, 110, -1), (250, 330, 1), (430, 400, -1), (80, 430, -1)]
"""The center of each, and its direction."""
LIGHT = [(236, 196, 64), (248, 228, 140), (214, 120, 40), (236, 196, 64), (248, 228, 140)]
DARK = [(18, 38, 92), (28, 66, 140), (44, 108, 178), (96, 160, 200), (20, 60, 60), (60, 130, 110)]
DARK_SHARES = [0.2, 0.26, 0.24, 0.14, 0.08, 0.08]


def find_direction(x: float, y: float) -> tuple[float, float]:
    """Return the unit vector of the field at a point."""
    u, v = 0.6, 0.15 * np.sin(x / 60)
    for center_x, center_y, turn in SWIRLS:
        dx, dy = x - center_x, y - center_y
        weight = np.exp(-(dx * dx + dy * dy) / (2 * 75**2)) * 4 / (20 + np.hypot(dx, dy)) * 20
        u, v = u - turn * dy / 75 * weight, v + turn * dx / 75 * weight
    length = np.hypot(u, v) + 1e-9
    return u / length, v / length


def draw(path: str) -> None:
    """Write the picture."""
    random = np.random.default_rng(7)
    canvas = Image.new("RGB", (2 * SIZE, 2 * SIZE), (24, 48, 100))
    pen = ImageDraw.Draw(canvas)
    for _ in range(STROKES):
        x, y = random.uniform(-10, SIZE + 10, 2)
        distance = min(np.hypot(x - center_x, y - center_y) for center_x, center_y, _ in SWIRLS)
        glow = np.exp(-(((distance - 18) / 26) ** 2))
        if random.random() < 0.15 + 0.75 * glow:
            color = LIGHT[random.choice(len(LIGHT))]
        else:
            color = DARK[random.choice(len(DARK), p=DARK_SHARES)]
        fill = tuple(int(np.clip(value + random.normal(0, 14), 0, 255)) for value in color)
        points = [(2 * x, 2 * y)]
        for _ in range(POINTS):
            u, v = find_direction(x, y)
            x, y = x + u * 1.4, y + v * 1.4
            points.append((2 * x, 2 * y))
        width = int(random.uniform(6, 13))
        edge = tuple(int(value * 0.72) for value in fill)
        pen.line(points, fill=fill, width=width, joint="curve")
        pen.line([(a, b + width / 2) for a, b in points], fill=edge, width=2)
    canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path)


if __name__ == "__main__":
    draw(sys.argv[1])
