"""The Deployment controller: declared pods, replaced step by step when their template changes."""
