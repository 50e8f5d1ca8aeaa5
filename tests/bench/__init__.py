"""The project's own benchmarks: what we promise, measured on this machine beside its limit or a peer."""
