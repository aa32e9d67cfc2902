"""The training loop; it knows no method by name."""
