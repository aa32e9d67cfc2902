"""Gaussian and lattice filters of one image on a CPU, with Numba."""
