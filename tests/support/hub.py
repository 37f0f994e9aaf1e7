"""A local server with the part of the Hugging Face Hub's API that models need."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "t" * 34


class Hub:
    """Repositories in memory; ``files[name][commit]`` are the bytes by path.

    Attributes:
        branches: the newest commit by repository and branch.
        private: the repositories that need the token.
        cut: answers to be cut off in the middle, by path of a file: how many are left.
        requests: every request: its method, its path and its range.
        uploads: contents by SHA-256.
    """

    def __init__(self):
        self.files, self.branches, self.private = {}, {}, set()
        self.cut, self.requests, self.uploads, self.messages = {}, [], {}, []

    def commit(self, name, files, branch="main"):
        """Add a commit; return its name."""
        content = repr(sorted((path, hashlib.sha1(data).digest()) for path, data in files.items()))
        commit = hashlib.sha1(f"{len(self.files.get(name, {}))}{content}".encode()).hexdigest()
        self.files.setdefault(name, {})[commit] = dict(files)
        self.branches.setdefault(name, {})[branch] = commit
        return commit

    def add(self, name, folder, branch="main"):
        """Commit the files of a folder."""
        return self.commit(name, {p.name: p.read_bytes() for p in folder.iterdir()}, branch)


@contextlib.contextmanager
def serve():
    """Serve an empty hub; the context is the hub and its address."""
    hub = Hub()
    kind = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield hub, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", TOKEN):
            return self.refuse(401, "", "Invalid credentials in Authorization header")
        api = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/(revision|tree)/(.+)", path)
        file = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path)
        if not (match := api or file):
            return self.refuse(404, "EntryNotFound")
        name, revision = match[1], match[3] if api else match[2]
        if name not in self.hub.files or (name in self.hub.private and not token):
            return self.refuse(401 if name in self.hub.private else 404, "RepoNotFound")
        commit = self.hub.branches[name].get(revision, revision)
        files = self.hub.files[name].get(commit)
        if files is None:
            return self.refuse(404, "RevisionNotFound")
        if file:
            return self.send_content(files[file[3]], commit, file[3])
        if api[2] == "revision":
            siblings = [{"rfilename": path} for path in files]
            return self.send({"id": name, "sha": commit, "siblings": siblings})
        rows = [
            {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for path, data in files.items()
        ]
        return self.send(rows)

    do_HEAD = do_GET

    def do_POST(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, None))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401, "", "Invalid credentials in Authorization header")
        if path == "/api/validate-yaml":
            return self.send({})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if match := re.fullmatch(r"/api/models/(.+)/branch/(.+)", path):
            branches = self.hub.branches[match[1]]
            if match[2] in branches:
                return self.refuse(409, "")
            branches[match[2]] = branches["main"]
            return self.send({})
        if re.fullmatch(r"/api/models/.+/preupload/.+", path):
            rows = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self.send({"files": rows})
        if path.endswith(".git/info/lfs/objects/batch"):
            host = self.headers["Host"]
            rows = [
                {**o, "actions": {"upload": {"href": f"http://{host}/upload/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]
            return self.send({"transfer": "basic", "objects": rows})
        if match := re.fullmatch(r"/api/models/(.+)/commit/(.+)", path):
            return self.receive_commit(match[1], match[2], body)
        return self.refuse(404, "")

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.uploads[hashlib.sha256(content).hexdigest()] = content
        self.send({})

    def create(self, request):
        name = f"{request['organization']}/{request['name']}"
        address = f"http://{self.headers['Host']}/{name}"
        if name in self.hub.files:
            return self.send({"url": address}, status=409)
        if request.get("private") or request.get("visibility") == "private":
            self.hub.private.add(name)
        self.hub.commit(name, {})
        return self.send({"url": address})

    def receive_commit(self, name, branch, body):
        files = dict(self.hub.files[name][self.hub.branches[name][branch]])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.hub.messages.append(value["summary"])
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
        commit = self.hub.commit(name, files, branch)
        address = f"http://{self.headers['Host']}/{name}/commit/{commit}"
        self.send({"success": True, "commitOid": commit, "commitUrl": address})

    def send(self, data, status=200):
        self.answer(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def send_content(self, content, commit, path):
        first = int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": etag, "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        is_cut = self.command == "GET" and self.hub.cut.get(path, 0) > 0
        if is_cut:
            self.hub.cut[path] -= 1
        self.answer(206 if first else 200, content[first:], headers, is_cut=is_cut)

    def refuse(self, status, code, message=""):
        self.answer(status, b"{}", {"X-Error-Code": code, "X-Error-Message": message})

    def answer(self, status, content, headers, *, is_cut=False):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if is_cut else content)
        if is_cut:
            self.close_connection = True

    def log_message(self, *_):
        """Say nothing."""
