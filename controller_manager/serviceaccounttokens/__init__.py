"""Fills the Secrets that hold long-lived tokens of service accounts."""
