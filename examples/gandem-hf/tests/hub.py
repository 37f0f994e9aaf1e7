"""A local Hub that serves a folder: the part of its API that loading needs.

``FOLDER/acme/digits/COMMIT/…`` are the files of a commit; the one that sorts last is the newest.
"""

import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FACTS = re.compile(r"/api/datasets/(\w+/\w+)(?:/revision/(\w+))?")
FILES = re.compile(r"/api/datasets/(\w+/\w+)/tree/(\w+)/?(.*)")
FILE = re.compile(r"/datasets/(\w+/\w+)/resolve/(\w+)/(.+)")


@contextlib.contextmanager
def hub(folder):
    """Serve a folder; the context is its address."""
    kind = type("Handler", (_Handler,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path
        for pattern, answer in ((FACTS, self.facts), (FILES, self.files), (FILE, self.file)):
            if match := pattern.fullmatch(path):
                name, revision, *rest = match.groups()
                commits = {c.name: c for c in sorted((self.folder / name).glob("*"))}
                if not commits:
                    return self.say(404, error="RepoNotFound")
                if revision and revision not in commits:
                    return self.say(404, error="RevisionNotFound")
                return answer(commits[revision or max(commits)], *rest)
        return self.say(404)

    do_HEAD = do_GET

    def facts(self, commit):
        self.say(200, json.dumps({"id": "acme/digits", "sha": commit.name}).encode())

    def files(self, commit, at):
        if not (commit / at).is_dir():
            return self.say(404, error="EntryNotFound")
        results = [
            {
                "type": "file" if path.is_file() else "directory",
                "path": str(path.relative_to(commit)),
                "size": path.stat().st_size,
                "oid": path.name,
            }
            for path in sorted((commit / at).iterdir())
        ]
        return self.say(200, json.dumps(results).encode())

    def file(self, commit, at):
        if not (commit / at).is_file():
            return self.say(404, error="EntryNotFound")
        return self.say(200, (commit / at).read_bytes(), commit=commit.name)

    def say(self, status, content=b"", commit="", error=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""
