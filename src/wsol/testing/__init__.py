"""For tests and benchmarks: maps on which the engines are compared, and the comparison."""
