"""Who did what: a record of each request that the policy asks for, written off the request's way."""
