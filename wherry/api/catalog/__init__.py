"""What the API serves, a module for each group: names, scope, verbs, subresources.

Source: the discovery documents of upstream 1.36.
"""
