"""Markdown tables, and templates that escape what their language needs escaped."""

import pytest
from jinja2 import UndefinedError

from cnn_anatomy.report.markdown import markdown_table
from cnn_anatomy.report.templating import render_template


def test_a_table_aligns_numbers_right_and_escapes_cells():
    rows = [["a|b", "1"], ["two\nlines", "2"]]
    assert markdown_table(["name", "n"], rows, left=1).splitlines() == [
        "| name | n |",
        "| --- | --: |",
        r"| a\|b | 1 |",
        "| two<br>lines | 2 |",
    ]
    assert markdown_table(["a", "b"], []) == "| a | b |\n| --- | --- |\n"


def test_a_template_lacks_no_value():
    with pytest.raises(UndefinedError, match="'page' is undefined"):
        render_template("study.md.jinja")
