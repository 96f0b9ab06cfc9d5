"""Wherry's shared library: the API's types, a client, and what every daemon needs."""

__version__ = "0.1.0"
KUBERNETES_VERSION = "v1.36.2"  # whose API this speaks
