"""The node IPAM controller: gives each node its part of the pod address range."""
