"""The disruption controller: how many pods of a budget may be evicted now."""
