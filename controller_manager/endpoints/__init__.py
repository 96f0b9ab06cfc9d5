"""The Endpoints controller: the older form of EndpointSlices, one object per Service."""
