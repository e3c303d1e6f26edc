"""Writes tables, figures, pages and the web site from results."""
