"""Service networks: which are ready, and which deleted ones may go."""
