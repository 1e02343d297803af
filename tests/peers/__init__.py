"""Servers that stand in for services which cannot be reached from here; for tests, benchmarks and the example."""
