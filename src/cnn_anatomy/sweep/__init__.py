"""A sweep: the runs of studies, papers or swept overrides, trained by a launcher of Hydra's."""
