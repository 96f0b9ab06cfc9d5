"""The root-CA publisher: pods find the API server's CA in every namespace."""
