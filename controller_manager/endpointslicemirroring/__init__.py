"""The mirroring controller: Endpoints that people write by hand, as EndpointSlices."""
