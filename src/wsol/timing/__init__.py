"""How long a way to a map takes: ours, and as the F-CAM paper timed it."""
