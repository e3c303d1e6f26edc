"""Pages, tables, figures and the site that are written of results."""
