"""What a job did, for people to look at: jobs append to journals, and `wsol track sync` brings them to MLflow.

Nothing here is read by any job. Importing this package loads neither mlflow nor torch.
"""

from wsol.tracking.journal import Run, start_run

__all__ = ["Run", "start_run"]
