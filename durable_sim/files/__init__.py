"""Scenario files: TOML in and out, what they expect, and what can be wrong with them."""
