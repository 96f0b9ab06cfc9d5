"""Secrets with tokens that were once made for every account, and that nobody uses: away with them."""
