"""Localisation and classification metrics, one module each; `wsol.metrics.evaluate` puts them together."""
