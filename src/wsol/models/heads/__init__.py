"""One file a head: it defines `build(trunk, num_classes)`, which returns a `wsol.models.interface.Head`."""
