"""The EndpointSlice controller: which pods stand behind each Service, in slices of 100."""
