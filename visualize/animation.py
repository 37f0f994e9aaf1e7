"""Animations: write frames to a GIF, an MP4 or a strip, one at a time, in bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import draw_grid, save_image
from gandem.core.errors import RunError, SpecError
from gandem.core.files import check_file, fill_file
from gandem.core.plugins.installation import install_command
from gandem.core.runs.run import Run, open_run
from gandem.core.training.stages.timeline import format_stage, place_stages
from gandem.visualize.images import (
    add_title,
    check_image_size,
    draw_table,
    read_image,
    scale_images,
    scale_size,
)

SUFFIXES = {".gif": "", ".mp4": "", ".png": "a strip"}
MAX_FPS = 50
"""Frames per second; browsers slow down faster GIFs."""
MAX_ROW_LENGTH = 10
"""The largest number of images that are placed in one row."""
GAP = 2
"""Pixels between images."""


@dataclass(frozen=True, slots=True)
class Animation:
    """Frames that are generated on demand.

    Attributes:
        make: yields ``frames`` arrays, each uint8 (N, H, W, 1 or 3): the images of one frame.
        frames: number of frames.
        shape: (N, H, W) of each frame.
        titles: one per frame, for a strip.
        fps: frames per second, by default.
        hold: seconds for which the last frame is shown, by default.
    """

    make: Callable[[], Iterator[np.ndarray]]
    frames: int
    shape: tuple[int, int, int]
    titles: tuple[str, ...] = ()
    fps: float = 20.0
    hold: float = 0.0

    def save(
        self,
        path: Path | str,
        *,
        fps: float | None = None,
        loop: bool = True,
        hold: float | None = None,
        colors: int = 256,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write a ``.gif``, an ``.mp4``, or a ``.png`` with all frames in a strip.

        Args:
            fps: frames per second; a GIF counts in hundredths of a second.
            loop: repeat a GIF forever.
            hold: seconds for which the last frame is shown.
            colors: of a frame of a GIF, 2 to 256, or shades of gray; fewer make a smaller file.
            progress: called with the number of frames generated so far.

        Raises:
            RunError: the path has another suffix or cannot be written, the images are too large,
                or ffmpeg is missing.
            SpecError: the rate or the duration is out of range.
        """
        path = Path(path)
        fps, hold = self.fps if fps is None else fps, self.hold if hold is None else hold
        check_animation_path(path)
        if not (0 < fps <= MAX_FPS and 1 / fps <= 600):
            raise SpecError(f"fps: expected more than 0 and at most {MAX_FPS}, received {fps:g}.")
        if not 2 <= colors <= 256:
            raise SpecError(f"colors: expected 2 to 256, received {colors}.")
        if not 0 <= hold <= 600:
            raise SpecError(f"hold: expected 0 to 600 seconds, received {hold:g}.")
        if path.suffix.lower() == ".png":
            self._save_strip(path, progress)
            return
        columns = self._columns()
        check_image_size(*self._size(columns))
        pictures = (_place_side_by_side(images, columns) for images in self._count(progress))
        if path.suffix.lower() == ".gif":
            hundredths = _hundredths(self.frames, fps)
            hundredths[-1] += round(100 * hold)
            how: Any = {"loop": loop, "colors": colors}
            fill_file(path, lambda file: _write_gif(file, pictures, hundredths, **how))
        else:
            writer = _mp4_writer()
            size, repeats = self._size(columns), round(hold * fps)
            fill_file(path, lambda file: _write_mp4(writer, file, pictures, size, fps, repeats))

    def _save_strip(self, path: Path, progress: Callable[[int], None] | None) -> None:
        down, height, width = self.shape
        check_image_size(down * height, self.frames * width)
        columns = np.stack(list(self._count(progress)), axis=1)  # (N, frames, H, W, C)
        save_image(path, draw_table(columns, self.titles))

    def _count(self, progress: Callable[[int], None] | None) -> Iterator[np.ndarray]:
        for done, images in enumerate(self.make(), 1):
            yield images
            if progress is not None:
                progress(done)

    def _columns(self) -> int:
        count = self.shape[0]
        return count if count <= MAX_ROW_LENGTH else math.ceil(math.sqrt(count))

    def _size(self, columns: int) -> tuple[int, int]:
        """Return height and width of a frame."""
        count, height, width = self.shape
        rows = math.ceil(count / columns)
        return rows * (height + GAP) - GAP, columns * (width + GAP) - GAP


def check_animation_path(path: Path) -> None:
    """Check that an animation can be written to a path.

    Raises:
        RunError: another suffix, no such folder, or ffmpeg is missing.
    """
    check_file(path, SUFFIXES)
    if path.suffix.lower() == ".mp4":
        _mp4_writer()


def animate(run: Run | Path | str, size: int | None = None, *, stages: bool = False) -> Animation:
    """Return an animation of a run's sample grids, each titled with its epoch or step, and with its
    stage.

    Args:
        run: a run, or its folder.
        size: pixels of the longer side of the samples; by default their own size.
        stages: only the samples at the end of each stage.

    Raises:
        RunError: the run has no samples, or one cannot be read.
    """
    opened = open_run(run)
    paths, titles = opened.samples(), _make_titles(opened)
    if stages:
        paths = _choose_stage_ends(opened)
    if not paths:
        raise RunError(f"{opened.path}: it has no samples; they are written after each epoch.")
    first = read_image(paths[0])

    def make() -> Iterator[np.ndarray]:
        for path in paths:
            picture = read_image(path)
            if picture.shape != first.shape:
                raise RunError(
                    f"{path}: {picture.shape[1]} × {picture.shape[0]} pixels, those of the first "
                    f"samples are {first.shape[1]} × {first.shape[0]}; remove it."
                )
            yield add_title(scale_images(picture[None], size)[0], titles[path])[None]

    if size is not None:
        check_image_size(*scale_size(first.shape[0], first.shape[1], size))
    shape = add_title(scale_images(first[None], size)[0], "").shape
    return Animation(make, len(paths), (1, *shape[:2]), fps=5.0, hold=2.0)


def _make_titles(run: Run) -> dict[Path, str]:
    """Return the title of each sample grid."""
    timeline, titles = place_stages(run.spec, run.record.data.count), {}
    for path in run.samples():
        kind, _, number = path.stem.partition("-")
        titles[path] = f"{kind} {number.lstrip('0') or 0}"
        if timeline is not None:
            facts = timeline.describe(max(run.sampled_at(path) - 1, 0))
            titles[path] += f", {format_stage(run.spec, facts)}"
    return titles


def _choose_stage_ends(run: Run) -> list[Path]:
    """Return the sample grid at the end of each stage.

    Raises:
        RunError: the training has no stages.
    """
    timeline = place_stages(run.spec, run.record.data.count)
    if timeline is None:
        raise RunError(f"{run.path}: its training has no stages; leave --stages out.")
    last = run.count_steps()
    ends = {path: run.sampled_at(path) for path in run.samples()}
    return [path for path, step in ends.items() if step == last or timeline.begins_stage(step)]


def _place_side_by_side(images: np.ndarray, columns: int) -> np.ndarray:
    return draw_grid(images, columns, gap=GAP, zoom=1)[GAP:-GAP, GAP:-GAP]


def _hundredths(frames: int, fps: float) -> list[int]:
    """Return the duration of each frame in 1/100 s, so that the mean rate is exact.

    >>> _hundredths(4, 30)
    [3, 4, 3, 3]
    """
    ends = [round(100 * frame / fps) for frame in range(frames + 1)]
    return [after - before for before, after in itertools.pairwise(ends)]


def _write_gif(
    path: Path, pictures: Iterator[np.ndarray], hundredths: list[int], *, loop: bool, colors: int
) -> None:
    """Write a GIF frame by frame, with Pillow's encoder of single frames.

    Pillow's writer of animations keeps all frames in memory and merges equal ones. Gray frames
    share a palette of all grays, of which they use the nearest of ``colors``; colored frames have a
    palette each.
    """
    from PIL import Image
    from PIL.GifImagePlugin import getdata

    with path.open("wb") as file:
        for index, (picture, duration) in enumerate(zip(pictures, hundredths, strict=True)):
            if index == 0:
                file.write(_gif_head(*picture.shape[:2], loop=loop))
            gray = (picture[..., :1] == picture).all()
            if gray:
                step = 255 / (colors - 1)
                shades = np.rint(np.rint(picture[..., 0] / step) * step)
                frame = Image.fromarray(shades.astype(np.uint8))
            else:
                frame = Image.fromarray(picture).quantize(colors)
            for part in getdata(frame, duration=10 * duration, include_color_table=not gray):
                file.write(part)
        file.write(b";")


def _gif_head(height: int, width: int, *, loop: bool) -> bytes:
    """Return a GIF's header with a palette of 256 grays, and the extension that repeats it."""
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    grays = bytes(value for value in range(256) for _ in "rgb")
    repeats = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" if loop else b""
    return b"GIF89a" + size + b"\xf7\x00\x00" + grays + repeats


def _mp4_writer() -> Any:
    """Return the function that writes MP4 with ffmpeg.

    Raises:
        RunError: ffmpeg is missing.
    """
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise RunError(
            f"MP4 needs ffmpeg. Install it with: {install_command('video')}, or write a .gif."
        ) from error
    return imageio_ffmpeg.write_frames


def _write_mp4(
    write_frames: Any,
    path: Path,
    pictures: Iterator[np.ndarray],
    size: tuple[int, int],
    fps: float,
    repeats: int,
) -> None:
    """Write an H.264 MP4 with even sides; the last frame is repeated."""
    height, width = (side + side % 2 for side in size)
    pad = ((0, height - size[0]), (0, width - size[1]), (0, 0))
    writer = write_frames(
        str(path),
        (width, height),
        fps=fps,
        quality=8,
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=["-f", "mp4", "-movflags", "+faststart"],  # the temporary name has no suffix
    )
    try:
        writer.send(None)
        for picture in pictures:
            frame = np.ascontiguousarray(np.pad(picture, pad, mode="edge"))
            writer.send(frame)
        for _ in range(repeats):
            writer.send(frame)
    except OSError as error:
        raise RunError(f"{path.parent}: ffmpeg could not write there.") from error
    finally:
        writer.close()
