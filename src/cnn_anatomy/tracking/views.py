"""Named views of an experiment in MLflow's UI: which runs and columns it shows, and which charts.

The UI keeps a view as the experiment tag `mlflow.sharedViewState.<key>` and offers all of them in
a menu. No documentation describes the format, so tests/test_ui.py opens the views in a browser,
and a UI of another version than UI_VERSION gets none.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlflow
from mlflow import MlflowClient

from cnn_anatomy.tracking.server import server_version

UI_VERSION = "3.17"
TAG = "mlflow.sharedViewState."
COMPRESSED = "deflate;"  # before a state in zlib's format and base 64
# The UI's own names of the sections whose metrics have no prefix, and of the system's metrics.
OTHER_SECTIONS = ("Model metrics", "System metrics")
WORKFLOW = "workflowType=machine_learning"  # else the UI shows what belongs to language models


Chart = Mapping[str, Any]  # the UI's type of the chart and its settings


def curves(metric: str, *, log: bool = False) -> Chart:
    """Return the curve of `metric` by step for each run or group of runs."""
    return {
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "xAxisKey": "step",
        "lineSmoothness": 0,
        "scaleType": "log" if log else "linear",
    }


def scatter(x: str, y: str) -> Chart:
    """Return metric `y` against metric `x`, a point for each run or group of runs."""
    axes = {"xaxis": x, "yaxis": y}
    ends = {axis: {"key": metric, "type": "METRIC"} for axis, metric in axes.items()}
    return {"type": "SCATTER", **ends}


def bars(metric: str) -> Chart:
    """Return the latest value of `metric`, a bar for each run or group of runs."""
    return {"type": "BAR", "metricKey": metric}


@dataclass(frozen=True)
class View:
    """A view of the runs that match a query.

    Args:
        key: the view's name in addresses.
        name: its name in the UI's menu.
        query: which runs it shows, in the language of MLflow's search.
        order_by: the column it is sorted by, as `column` writes it.
        ascending: whether the smallest comes first.
        columns: the columns of the table, as `column` writes them.
        charts: the charts, in one open section.
        group_by: the param by whose values runs are averaged; None to show each run.
        folded: the values of `group_by`, so that a group's runs are folded into one line.
        sections: the UI's sections of all other charts, which are folded.
    """

    key: str
    name: str
    query: str
    order_by: str
    ascending: bool = True
    columns: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    group_by: str | None = None
    folded: Sequence[str] = ()
    sections: Sequence[str] = field(default=OTHER_SECTIONS)

    @property
    def state(self) -> dict[str, Any]:
        """Return the view as the UI's JavaScript writes it."""
        return {
            "searchFilter": self.query,
            "orderByKey": self.order_by,
            "orderByAsc": self.ascending,
            "selectedColumns": list(self.columns),
            "columnOrder": list(self.columns),
            "runsHiddenMode": "SHOW_ALL",
            "compareRunCharts": self._cards or None,
            "compareRunSections": self._sections if self.charts else None,
            "isAccordionReordered": True,  # else the UI sorts the sections by name
            "groupBy": self._grouping,
            "groupsExpanded": {f"param.{self.group_by}.{value}": False for value in self.folded},
            "useGroupedValuesInCharts": True,
        }

    @property
    def _sections(self) -> list[dict[str, Any]]:
        names = [self.name, *self.sections]
        return [
            {"uuid": name, "name": name, "display": name == self.name, "isReordered": True}
            for name in names
        ]

    @property
    def _grouping(self) -> dict[str, Any] | None:
        if self.group_by is None:
            return None
        keys = [{"mode": "param", "groupByData": self.group_by}]
        return {"aggregateFunction": "average", "groupByKeys": keys}

    @property
    def _cards(self) -> list[dict[str, Any]]:
        common = {"metricSectionId": self.name, "runsCountToCompare": 100}
        flags = {"deleted": False, "isGenerated": False}
        return [
            {"uuid": f"{self.key} {number}", **common, **flags, **chart}
            for number, chart in enumerate(self.charts)
        ]


def column(kind: str, name: str) -> str:
    """Return the UI's name of a column; `kind` is `params`, `metrics`, `tags` or `attributes`."""
    return f"{kind}.`{name}`"


def save_views(client: MlflowClient, experiment: str, views: Iterable[View]) -> None:
    """Save `views` of an experiment in place of those with the same keys, if the UI knows them."""
    version = server_version(client.tracking_uri) or mlflow.__version__
    if version.rpartition(".")[0] != UI_VERSION:
        return
    for view in views:
        state = zlib.compress(json.dumps(view.state).encode())
        now = int(time.time() * 1000)
        saved = {
            "name": view.name,
            "createdAt": now,
            "updatedAt": now,
            "state": COMPRESSED + base64.b64encode(state).decode(),
        }
        client.set_experiment_tag(experiment, f"{TAG}{view.key}", json.dumps(saved))


def view_address(server: str, experiment: str, key: str, *, charts: bool = False) -> str:
    """Return the address of a view on the `server`: of its charts, or of its table."""
    mode = "CHART" if charts else "TABLE"
    page = f"{server.rstrip('/')}/#/experiments/{experiment}/runs"
    return f"{page}?{WORKFLOW}&compareRunsMode={mode}&viewStateShareKey={key}"
