"""Parameter files: loading, checking and resolving them into the settings of one cell."""
