"""Models on this machine: the catalogue, what is installed, the hub. Never torch."""
