"""``gandem serve``: the page of a run, on this machine."""

import json
import urllib.request
from http.server import ThreadingHTTPServer
from threading import Thread
from unittest.mock import patch

import pytest
from support.commands import gandem, needs_a_backend, refused

from gandem.commands.serve import HOST, make_server


@needs_a_backend
def test_the_page_is_served_until_ctrl_c(conditional):
    pages = []

    def read_page_and_interrupt(server):
        reader = Thread(target=read_page, args=(f"http://{HOST}:{server.server_port}/",))
        reader.start()
        server.handle_request()
        reader.join()
        raise KeyboardInterrupt

    def read_page(address):
        with urllib.request.urlopen(address) as answer:
            pages.append((address, answer.read().decode()))

    with (
        patch.object(ThreadingHTTPServer, "serve_forever", read_page_and_interrupt),
        patch("webbrowser.open") as opened,
    ):
        done = gandem("serve", conditional, "--no-browser", "--json")

    assert (done.exit_code, done.stderr) == (130, "Interrupted.\n")
    address, page = pages[0]
    assert json.loads(done.stdout)["address"] == address
    assert "<title>Generated images</title>" in page
    opened.assert_not_called()


def test_a_port_in_use_is_refused(tmp_path):
    with make_server(tmp_path, 0) as server:
        line = refused("serve", tmp_path, "--port", server.server_port)

    assert f"--port {server.server_port}: cannot be used" in line


def test_only_this_machine_can_connect(tmp_path):
    with make_server(tmp_path, 0) as server:
        assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_does_not_exist_is_a_usage_error(tmp_path, port):
    assert "--port" in refused("serve", tmp_path, "--port", port, code=2)
