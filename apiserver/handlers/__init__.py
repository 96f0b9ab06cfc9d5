"""Requests for stored resources: reading moves bytes, writing goes through the registry."""
