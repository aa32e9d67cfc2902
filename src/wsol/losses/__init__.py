"""Training objectives as functions of tensors, one paper a file; the methods in `wsol.methods` feed them."""
