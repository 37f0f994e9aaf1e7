"""Animations: pictures one after another as a GIF or an MP4, or as a strip, never all in memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import (
    check_room,
    fitted,
    grid,
    headed,
    read_picture,
    resized,
    save_image,
    titled,
)
from gandem.core.errors import RunError, SpecError
from gandem.core.files import fill_file
from gandem.core.runs.run import Run

__all__ = ["ENDINGS", "Film", "check_place", "growth"]

ENDINGS = (".gif", ".mp4", ".png")
FASTEST = 50
"""Pictures a second; browsers slow down a GIF that wants more."""
ASIDE = 10
"""The most images that stand in one row."""
GAP = 2


@dataclass(frozen=True, slots=True)
class Film:
    """Pictures that are made when they are asked for.

    Attributes:
        make: yields ``frames`` arrays, each uint8 (N, H, W, 1 or 3): what is seen at one moment.
        frames: how many there are.
        shape: (N, H, W) of each.
        titles: one a picture, for a strip.
    """

    make: Callable[[], Iterator[np.ndarray]]
    frames: int
    shape: tuple[int, int, int]
    titles: tuple[str, ...] = ()

    def save(
        self,
        path: Path | str,
        *,
        fps: float = 20.0,
        loop: bool = True,
        hold: float = 0.0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write a ``.gif`` or an ``.mp4``, the images of a moment side by side, or all moments in a
        strip as a ``.png``; whole or not at all.

        Args:
            fps: pictures a second; a GIF counts in hundredths of a second.
            loop: a GIF begins again at its end.
            hold: seconds for which the last picture stays.
            progress: called with the number of pictures made.

        Raises:
            RunError: the name ends otherwise, the place cannot be written, the pictures are too
                large, or a program to write MP4 is missing.
            SpecError: no such rate.
        """
        path = Path(path)
        check_place(path)
        if not (0 < fps <= FASTEST and 1 / fps <= 600):
            raise SpecError(f"fps: expected more than 0 and at most {FASTEST}, received {fps:g}.")
        if not 0 <= hold <= 600:
            raise SpecError(f"hold: expected 0 to 600 seconds, received {hold:g}.")
        if path.suffix.lower() == ".png":
            self._save_strip(path, progress)
            return
        columns = self._columns()
        check_room(*self._size(columns))
        pictures = (_side_by_side(images, columns) for images in self._counted(progress))
        if path.suffix.lower() == ".gif":
            hundredths = _hundredths(self.frames, fps)
            hundredths[-1] += round(100 * hold)
            fill_file(path, lambda place: _write_gif(place, pictures, hundredths, loop=loop))
        else:
            writer = _mp4_writer()
            size, held = self._size(columns), round(hold * fps)
            fill_file(path, lambda place: _write_mp4(writer, place, pictures, size, fps, held))

    def _save_strip(self, path: Path, progress: Callable[[int], None] | None) -> None:
        down, height, width = self.shape
        check_room(down * height, self.frames * width)
        columns = np.stack(list(self._counted(progress)), axis=1)  # (N, frames, H, W, C)
        save_image(path, titled(columns, self.titles))

    def _counted(self, progress: Callable[[int], None] | None) -> Iterator[np.ndarray]:
        for done, images in enumerate(self.make(), 1):
            yield images
            if progress is not None:
                progress(done)

    def _columns(self) -> int:
        count = self.shape[0]
        return count if count <= ASIDE else math.ceil(math.sqrt(count))

    def _size(self, columns: int) -> tuple[int, int]:
        """Return height and width of a picture of the animation."""
        count, height, width = self.shape
        rows = math.ceil(count / columns)
        return rows * (height + GAP) - GAP, columns * (width + GAP) - GAP


def check_place(path: Path) -> None:
    """Raise a :class:`RunError` unless an animation can go by that name, before it is made."""
    if path.suffix.lower() not in ENDINGS:
        raise RunError(f"{path}: expected a name that ends in .gif, .mp4, or .png (a strip).")
    if not path.parent.is_dir():
        raise RunError(f"{path}: there is no folder {path.parent}.")
    if path.suffix.lower() == ".mp4":
        _mp4_writer()


def growth(run: Run, size: int | None = None) -> Film:
    """Return how a run's samples grew: those of the same noise after each epoch, each under its
    number.

    Args:
        size: pixels of the longer side of the samples; left out, as they are.

    Raises:
        RunError: there are none, or one cannot be read.
    """
    paths = run.samples()
    if not paths:
        raise RunError(f"{run.path}: it has no samples; there are some after each epoch.")
    first = read_picture(paths[0])

    def make() -> Iterator[np.ndarray]:
        for path in paths:
            picture = read_picture(path)
            if picture.shape != first.shape:
                raise RunError(
                    f"{path}: {picture.shape[1]} × {picture.shape[0]} pixels, those of the first "
                    f"samples are {first.shape[1]} × {first.shape[0]}; take it away."
                )
            yield headed(resized(picture[None], size)[0], _words(path))[None]

    if size is not None:
        check_room(*fitted(first.shape[0], first.shape[1], size))
    shape = headed(resized(first[None], size)[0], "").shape
    return Film(make, len(paths), (1, *shape[:2]))


def _words(samples: Path) -> str:
    kind, _, number = samples.stem.partition("-")
    return f"{kind} {number.lstrip('0') or 0}"


def _side_by_side(images: np.ndarray, columns: int) -> np.ndarray:
    return grid(images, columns, gap=GAP, zoom=1)[GAP:-GAP, GAP:-GAP]


def _hundredths(frames: int, fps: float) -> list[int]:
    """Return how long each picture stays, in 1/100 s, so that the rate is right on the whole.

    >>> _hundredths(4, 30)
    [3, 4, 3, 3]
    """
    ends = [round(100 * frame / fps) for frame in range(frames + 1)]
    return [after - before for before, after in itertools.pairwise(ends)]


def _write_gif(
    path: Path, pictures: Iterator[np.ndarray], hundredths: list[int], *, loop: bool
) -> None:
    """Write a GIF picture by picture.

    Pillow's own way to write several keeps them all in memory and makes one of equal ones, so that
    the number of frames is not the one asked for; its encoder of a single frame is used instead.
    Gray ones share a palette of all grays, colored ones bring 256 colors each.
    """
    from PIL import Image
    from PIL.GifImagePlugin import getdata

    with path.open("wb") as file:
        for place, (picture, duration) in enumerate(zip(pictures, hundredths, strict=True)):
            if place == 0:
                file.write(_gif_head(*picture.shape[:2], loop=loop))
            gray = (picture[..., :1] == picture).all()
            frame = Image.fromarray(picture[..., 0] if gray else picture)
            if not gray:
                frame = frame.quantize(256)
            for part in getdata(frame, duration=10 * duration, include_color_table=not gray):
                file.write(part)
        file.write(b";")


def _gif_head(height: int, width: int, *, loop: bool) -> bytes:
    """Return a GIF's header, with a palette of 256 grays, and that it repeats for ever."""
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    grays = bytes(value for value in range(256) for _ in "rgb")
    repeats = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" if loop else b""
    return b"GIF89a" + size + b"\xf7\x00\x00" + grays + repeats


def _mp4_writer() -> Any:
    """Return what writes MP4 through ffmpeg.

    Raises:
        RunError: it is missing.
    """
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise RunError(
            "MP4 needs ffmpeg. Install it with: pip install 'gandem[video]', or write a .gif."
        ) from error
    return imageio_ffmpeg.write_frames


def _write_mp4(
    write_frames: Any,
    path: Path,
    pictures: Iterator[np.ndarray],
    size: tuple[int, int],
    fps: float,
    held: int,
) -> None:
    """Write an MP4 that every player knows: H.264 with even sides, the last picture held."""
    height, width = (side + side % 2 for side in size)
    pad = ((0, height - size[0]), (0, width - size[1]), (0, 0))
    writer = write_frames(
        str(path),
        (width, height),
        fps=fps,
        quality=8,
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=["-f", "mp4", "-movflags", "+faststart"],  # the name does not say it yet
    )
    try:
        writer.send(None)
        for picture in pictures:
            frame = np.ascontiguousarray(np.pad(picture, pad, mode="edge"))
            writer.send(frame)
        for _ in range(held):
            writer.send(frame)
    except OSError as error:
        raise RunError(f"{path.parent}: ffmpeg could not write there.") from error
    finally:
        writer.close()
