"""The views of a study's runs in MLflow's UI: its table, curves, trade-off and gradients."""

from __future__ import annotations

from cnn_anatomy.results.metrics import METRICS, UNTRAINED, lowest, metric
from cnn_anatomy.studies.study import Study
from cnn_anatomy.tracking.sweep_run import SWEEP_TAG
from cnn_anatomy.tracking.views import (
    OTHER_SECTIONS,
    View,
    bars,
    column,
    curves,
    scatter,
)

SECTIONS = (
    *dict.fromkeys(
        name.rpartition("/")[0] for name in (*METRICS, f"{UNTRAINED}gradient/decay") if "/" in name
    ),
    *OTHER_SECTIONS,
)


def study_views(study: Study, parent: str) -> list[View]:
    """Return the views of the runs that the sweep with the parent run `parent` counts."""
    query = f"tags.{SWEEP_TAG} = '{parent}' and tags.kind = 'run'"
    rows, metrics = study.table.rows, study.table.metrics or ("test/accuracy",)
    labels = dict.fromkeys([*rows, "seed"])
    table = View(
        "table",
        "Table",
        query,
        order_by=column("metrics", metrics[0]),
        ascending=metric(metrics[0]).rank is lowest,
        columns=[*(column("params", p) for p in labels), *(column("metrics", m) for m in metrics)],
    )
    decay = curves("gradient/decay")
    charts = {
        "Curves": [curves("val/accuracy"), curves("train/loss"), decay],
        "Trade-off": [scatter("macs", "test/accuracy"), scatter("params/total", "test/accuracy")],
        "Gradients": [
            decay,
            bars(f"{UNTRAINED}gradient/decay"),
            curves("gradient/first", log=True),
            curves("gradient/last", log=True),
        ],
    }
    return [
        table,
        *(
            View(
                name.lower(),
                name,
                query,
                # The UI loads a page of runs: all variants of the first seeds.
                order_by=column("params", "seed"),
                columns=[column("metrics", metrics[0])],
                charts=drawn,
                group_by="variant",
                folded=list(study.overrides_by_variant),
                sections=SECTIONS,
            )
            for name, drawn in charts.items()
        ),
    ]
