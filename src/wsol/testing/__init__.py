"""For tests and benchmarks: kinds of maps and the comparison of engines on them; small classifiers; parameter files."""
