"""Reads runs from MLflow, compares them over seeds and judges claims. Imports no training code."""
