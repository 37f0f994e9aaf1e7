"""Draw a small data set: ``python tests/sample.py FOLDER``."""

import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 28


def draw_images(folder: Path, count: int = 500) -> None:
    """Draw white discs and boxes, 28×28, in a subfolder per class."""
    rng = random.Random(0)
    for name in ("box", "disc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image = Image.new("L", (SIZE, SIZE))
            draw = ImageDraw.Draw(image)
            shape = draw.ellipse if name == "disc" else draw.rectangle
            x, y, size = rng.randint(2, 10), rng.randint(2, 10), rng.randint(8, 14)
            shape((x, y, x + size, y + size), fill=255)
            image.save(folder / name / f"{number:03}.png")


if __name__ == "__main__":
    draw_images(Path(sys.argv[1]))
