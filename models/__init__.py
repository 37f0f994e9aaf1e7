"""The model zoo: one short function an entry, returning a spec; `registry.toml` lists them."""
