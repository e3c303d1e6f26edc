"""All that reads MLflow: runs, statistics, tables, figures, pages. Imports nothing of training."""
