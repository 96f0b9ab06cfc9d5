"""Encryption at rest: values that leave for the store are sealed, those that come back are opened."""
