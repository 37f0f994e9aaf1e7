"""``python -m gandem``, and the command ``gandem``."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command; Ctrl-C ends it in one line from the start."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else ignored, by nohup
        signal.signal(signal.SIGINT, exit_early)
    from gandem.cli import main as command  # takes a while

    command(prog_name="gandem")


def exit_early(number: int, frame: FrameType | None) -> None:
    """End this process at once: nothing is under way yet, or any more."""
    try:
        os.write(2, b"Interrupted.\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
