"""The garbage collector: what lost its owner goes, for every kind the server has."""
