"""The TTL-after-finished controller: deletes Jobs some time after their end."""
