"""The pod garbage collector: pods that nobody will end any more."""
