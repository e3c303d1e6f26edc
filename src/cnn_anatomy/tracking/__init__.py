"""All that writes to MLflow."""
