"""The files of experiments/ as data: studies, papers, claims."""
