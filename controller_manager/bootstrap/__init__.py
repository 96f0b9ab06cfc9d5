"""Bootstrap tokens: cleared away when over, and what a joining machine reads signed with each."""
