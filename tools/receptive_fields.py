"""Adds the receptive field to committed runs without it: `python -m tools.receptive_fields`.

It follows from a run's configuration alone. It is added only where the network of that
configuration has the parameters and the multiply-adds that the run logged.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import torch
from hydra import compose, initialize_config_dir

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF, PUBLISHED, shown
from cnn_anatomy.core.sentences import COMPOSITION_ERRORS, sentence
from cnn_anatomy.networks.cost import macs, parameter_count
from cnn_anatomy.networks.receptive_field import receptive_field
from cnn_anatomy.report.committed import read_publications
from cnn_anatomy.results.run_table import RUN_TABLE, to_run_table
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.paper import Paper
from cnn_anatomy.training.build import build_data, build_network
from cnn_anatomy.training.run_spec import RunSpec

COLUMN = "metrics.receptive_field"


def completed(sweep: Sweep) -> Sweep:
    """Return a sweep whose finished runs have the receptive field of their variant's network.

    Raises:
        ConfigError: if a variant's network has other costs than its runs, or its data is not here.
    """
    runs = sweep.runs.copy()
    for variant in sweep.variants:
        finished = (runs.variant == variant) & (runs.status == "FINISHED")
        if finished.any():
            runs.loc[finished, COLUMN] = _measured(sweep.study, runs[finished].iloc[0])
    return replace(sweep, runs=runs)


def _measured(study: str, run: pd.Series) -> float:
    config = compose("train", list(run.overrides), return_hydra_config=False)
    spec = RunSpec.of(config)
    data = build_data(spec)
    network, image = build_network(spec, data), torch.zeros(1, *data.shape)
    parameters = parameter_count(network) - parameter_count(network.auxiliary)
    for name, cost in (("params/total", parameters), ("macs", macs(network, image))):
        logged = run[f"metrics.{name}"]
        if cost != logged:
            raise ConfigError(f"{study}, {run.variant}: {name} is {cost}, but was {logged:.0f}")
    reach = receptive_field(network, image)
    return math.nan if reach is None else float(reach)


def main() -> None:
    """Write runs.csv again where it has no receptive field, and print its path."""
    torch.set_num_threads(1)
    for study, sweep, place in list(read_publications(PUBLISHED)):
        if isinstance(study, Paper) or COLUMN in sweep.runs:
            continue
        file = PUBLISHED / place / RUN_TABLE
        try:
            with initialize_config_dir(str(CONF), version_base="1.3"):
                write_text(file, to_run_table(completed(sweep)))
            print(shown(file))
        except COMPOSITION_ERRORS as error:  # its images may be on another machine
            print(f"{shown(file)} keeps no receptive field: {sentence(error)}")


if __name__ == "__main__":
    main()
