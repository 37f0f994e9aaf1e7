"""The plugin is found without problems."""

from gandem.core.plugins.registry import registry

NAME = "my-plugin"


def test_plugin_adds_its_entry_without_problems():
    (plugin,) = [p for p in registry().plugins if p.distribution == NAME]

    assert plugin.adds == {"my_kind": [f"{NAME}/example"]}
    assert plugin.problems == []
