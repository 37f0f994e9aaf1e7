"""The models: one function each, which returns a spec; ``registry.toml`` lists them."""
