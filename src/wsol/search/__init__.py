"""Random search of hyperparameters: what a draw tries, and which draw wins. Pure functions; nothing here trains."""
