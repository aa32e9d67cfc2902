"""Class activation maps, attribution and weakly supervised object localisation as one reproducible workflow.

Importing this package costs nothing: it loads neither torch nor pandas. Each layer is a subpackage.
"""

__version__ = "0.1.0"
