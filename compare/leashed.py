"""``python -m gandem.compare.leashed ARGUMENTS``: the command ``gandem``, which stops, as for
Ctrl-C, when whoever started it is gone, however that went.

Its standard input is a pipe that nothing is ever written to: it ends when nobody holds it any more.
"""

import os
import runpy
import signal
import threading

__all__: list[str] = []


def _stop_without_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_stop_without_parent, daemon=True).start()
    runpy.run_module("gandem", run_name="__main__", alter_sys=True)
