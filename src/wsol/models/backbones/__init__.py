"""One file a backbone: it defines `build(width, map_stride)`, which returns a `wsol.models.trunk.Trunk`."""
