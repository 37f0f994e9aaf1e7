"""Draw a tiny data set: ``python tests/sample.py FOLDER``."""

import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 28


def draw(folder: Path, count: int = 500) -> None:
    """Draw white discs and boxes, 28×28, each kind in a subfolder."""
    luck = random.Random(0)
    for kind in ("box", "disc"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture = Image.new("L", (SIZE, SIZE))
            pen = ImageDraw.Draw(picture)
            shape = pen.ellipse if kind == "disc" else pen.rectangle
            x, y, size = luck.randint(2, 10), luck.randint(2, 10), luck.randint(8, 14)
            shape((x, y, x + size, y + size), fill=255)
            picture.save(folder / kind / f"{number:03}.png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
