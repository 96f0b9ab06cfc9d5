"""The ServiceAccount controller: every namespace has an account named `default`."""
