"""The CPU engine: compiled with Numba, one thread a share of the maps."""
