
# Appended by `make env`: so that a plain `mlflow ui` opens this project's store, and nothing reports home.
export MLFLOW_BACKEND_STORE_URI=sqlite:///mlflow/mlflow.db
export MLFLOW_ARTIFACTS_DESTINATION=mlflow/artifacts
export MLFLOW_DISABLE_TELEMETRY=true
export DVC_NO_ANALYTICS=1
