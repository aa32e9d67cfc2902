"""Images and ground truth: renderer, readers of the real sets, manifests and transforms."""
