"""Chromium, for tests of pages."""

import contextlib
import os
import shutil

from support.commands import lacking

BROWSERS = ("chromium", "google-chrome", "chromium-browser")


@contextlib.contextmanager
def start_browser():
    """Start the browser for a block; skip the test if there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        lacking("chromium", "Playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path, args=["--no-sandbox"] if is_root else []
            )
        except Error as error:
            lacking("chromium", f"no browser can be started ({str(error).splitlines()[0]})")
        yield browser
        browser.close()
