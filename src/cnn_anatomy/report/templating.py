"""The Jinja templates of pages, in `templates/`."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from cnn_anatomy.report.latex import escape_latex
from cnn_anatomy.report.markdown import escape_html

TEMPLATES = Environment(
    loader=PackageLoader("cnn_anatomy.report"),
    autoescape=select_autoescape(["html.jinja"], default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters["escape_html"] = escape_html
# LaTeX is full of braces, so its templates write << variable >> and <% block %>.
LATEX_TEMPLATES = TEMPLATES.overlay(
    variable_start_string="<<",
    variable_end_string=">>",
    block_start_string="<%",
    block_end_string="%>",
    comment_start_string="<#",
    comment_end_string="#>",
)
LATEX_TEMPLATES.filters = {**TEMPLATES.filters, "tex": escape_latex}


def render_template(name: str, **values: object) -> str:
    """Render `templates/<name>`; values are escaped in HTML only."""
    templates = LATEX_TEMPLATES if name.endswith(".tex.jinja") else TEMPLATES
    return templates.get_template(name).render(values)
