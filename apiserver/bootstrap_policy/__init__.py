"""Upstream's default roles and bindings: what a fresh API server grants to whom."""
