"""The readout of one experiment as a page."""
