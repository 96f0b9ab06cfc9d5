"""The volume expander: volumes grow when their claims ask for more."""
