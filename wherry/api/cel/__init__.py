"""The Common Expression Language: reading expressions. Evaluating them is not here yet."""
