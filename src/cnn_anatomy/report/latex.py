"""Text that LaTeX prints as it reads."""

from __future__ import annotations

import re

ESCAPES = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "–": "--",
    "…": r"\ldots{}",
    "†": r"$^\dagger$",
    "Δ": r"$\Delta$",
    "→": r"$\rightarrow$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "—": "---",
    "’": "'",
    "|": r"\textbar{}",
    "÷": r"$\div$",
    "·": r"$\cdot$",
    "∂": r"$\partial$",
    "Σ": r"$\Sigma$",
    "δ": r"$\delta$",
    "α": r"$\alpha$",
    "μ": r"$\mu$",
    "√": r"$\surd$",
    "₀": r"$_0$",
    "₁": r"$_1$",
    "<": r"$<$",
    ">": r"$>$",
}
SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
POWERS = str.maketrans(SUPERSCRIPTS, "-0123456789")


def escape_latex(text: str) -> str:
    """Return `text` so that LaTeX prints it as it reads."""
    text = "".join(ESCAPES.get(c, c) for c in text)
    return re.sub(f"[{SUPERSCRIPTS}]+", lambda match: f"$^{{{match[0].translate(POWERS)}}}$", text)
