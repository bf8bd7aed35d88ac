"""Prove it: ask both registries and believe nothing that was remembered."""
