"""Installed distributions, found without `importlib.metadata`, are those that it finds."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import zipfile
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, MetadataPathFinder

import pytest

from gandem.core.plugins.distributions import distributions, folder_name, version_of


def test_they_are_those_of_the_standard_library():
    theirs = sorted(os.path.basename(str(d._path)) for d in importlib.metadata.distributions())

    assert sorted(os.path.basename(str(d._path)) for d in distributions()) == theirs


@pytest.mark.parametrize("name", ["click", "numpy", "Pluggy", "gandem"])
def test_versions_are_those_of_the_standard_library(name):
    assert version_of(name) == importlib.metadata.version(name)


def test_what_is_installed_meanwhile_is_found(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    assert version_of("late") is None

    (tmp_path / "late-1.0.dist-info").mkdir()
    (tmp_path / "late-1.0.dist-info" / "METADATA").write_text("Name: late\nVersion: 1.0\n")

    assert version_of("late") == "1.0"


def test_a_finder_that_takes_the_place_of_pythons_is_asked_in_its_place(monkeypatch):
    """The package importlib-metadata does so when it is imported, which some packages do."""

    class Finder:
        def find_spec(self, name, path=None, target=None): ...

        find_distributions = MetadataPathFinder.find_distributions

    once = [folder_name(source) for source in distributions()].count("click")
    monkeypatch.delattr(PathFinder, "find_distributions")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])

    assert [folder_name(source) for source in distributions()].count("click") == once


def test_what_is_not_installed_has_no_version():
    assert version_of("gandem-that-nobody-installed") is None


def test_of_several_the_first_on_the_path_counts(tmp_path, monkeypatch):
    for place, version in (("one", 1), ("two", 2)):
        info = tmp_path / place / f"Two.Fold-{version}.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: two-fold\nVersion: {version}.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "one"), str(tmp_path / "two")])

    assert version_of("two_fold") == "1.0"


def test_one_in_an_archive_on_the_path_is_found(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("packed-3.0.dist-info/METADATA", "Name: packed\nVersion: 3.0\n")
    monkeypatch.syspath_prepend(tmp_path / "all.zip")

    assert version_of("packed") == "3.0"


def test_a_strangers_finder_is_asked(monkeypatch):
    class Found(Distribution):
        _path = "/nowhere/theirs-4.0.dist-info"

        def read_text(self, filename):
            return "Name: theirs\nVersion: 4.0\n"

        def locate_file(self, path): ...

    class Finder:
        def find_spec(self, name, path=None, target=None): ...

        def find_distributions(self, context):
            return [Found()]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])

    assert version_of("theirs") == "4.0"


def test_places_that_are_not_there_take_nothing_down(tmp_path, monkeypatch):
    (tmp_path / "text").write_text("no archive")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "no"), str(tmp_path / "text"), *sys.path])

    assert "click" in {folder_name(source) for source in distributions()}
