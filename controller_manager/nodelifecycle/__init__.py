"""The node lifecycle controllers: silent nodes are noticed, tainted, and their pods evicted."""
