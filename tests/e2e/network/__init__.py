"""Pods, Services and policies on three machines; one lab for all of it."""
