"""Networks that are more than a trunk and a head; a module builds one from a saved model's `build_args`."""
