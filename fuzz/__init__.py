"""The fuzz target: the pure half of the proxy under a million hostile bodies; see docs/fuzzing.md."""
