"""Processes that have imported torchvision or Keras and fork for each request of a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gandem.data import frameworks

SERVER = """
import json, os, sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            for number in (1, 2):
                os.dup2(os.open(job["out"], os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
            os.environ.update(job["env"])
            scope = {"argv": job["argv"]}
            exec(job["code"], scope)
            code = scope["code"]
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
IMPORTS = {
    "torchvision": ("torchvision.datasets", "gandem.data.torchvision_sets"),
    "keras": ("keras", "gandem.data.keras_sets"),
}
READ = "from gandem.data.framework_process import main; code = main(*argv)"
SET_HOME = """
import os
from keras.src.backend import config
from gandem.data import keras_sets
def set_home_again(request, set_home=keras_sets._set_home):
    set_home(request)
    config._KERAS_DIR = os.environ["KERAS_HOME"]  # Keras reads it when it is imported
keras_sets._set_home = set_home_again
"""
ASK = """
import json
from importlib import import_module
from pathlib import Path
from gandem.data.framework_process import READERS, Request
framework, root, *names = argv
reader, answers, code = import_module(READERS[framework]), {}, 0
for name in names:
    parts = [name.split(":")[0].lower(), *name.split(":")[1:]]
    parts += ["train"] if framework == "keras" else []
    request = Request(name=f"{framework}:{name}", framework=framework, parts=parts, given=False,
        root=Path(root), want="open", shape=None, folder=Path(root))
    try:
        opened = reader.open_set(request)
        answers[name] = f"{opened.count} {opened.source} {opened.pictures} {opened.files}"
    except Exception as error:
        answers[name] = f"{type(error).__name__}: {error}"
print("\\n" + json.dumps(answers))
"""


class ForkServers:
    """Processes that have imported a framework and fork, which takes milliseconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, {}

    def run(self, framework: str, code: str, *argv: str, env: dict[str, str]) -> tuple[int, Path]:
        """Run some code; return its exit code and the file of its output."""
        if framework not in self.running:
            self.running[framework] = subprocess.Popen(
                [sys.executable, "-c", SERVER, *IMPORTS[framework]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=env | frameworks.ENVIRONMENT,
            )
        code = SET_HOME + code if framework == "keras" else code
        server, out = self.running[framework], self.folder / f"{len(list(self.folder.iterdir()))}"
        job = {"out": str(out), "env": env, "code": code, "argv": argv}
        server.stdin.write(f"{json.dumps(job)}\n")
        server.stdin.flush()
        return int(server.stdout.readline()), out
