"""Control-plane machines repel ordinary pods while there are others to run them."""
