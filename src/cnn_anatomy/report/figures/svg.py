"""SVG files a third as large, which look the same."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
DECIMALS = 2  # of a place, in points
UNITS = 10**DECIMALS  # in a point
COMMAND = re.compile(r"([MLCQz])([^MLCQz]*)")
LONG_NUMBER = re.compile(r"\d+\.\d+")
REFERENCE = re.compile(r"#([\w-]+)")
NO_TURN = re.compile(r"rotate\(-?0 [^)]*\)")
PLACES = ("x", "y", "width", "height", "transform")
MOST_REFERENCE = 100  # characters; more are an image


def compact_svg(text: str) -> str:
    """Return an SVG file of Matplotlib, shorter.

    Places are rounded to hundredths of a point, paths give steps from one place to the next, styles
    that recur are classes, and there are no metadata, idle groups and ids that nothing refers to.
    """
    root = ElementTree.fromstring(text)
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    for element in root.iter():
        _shorten(element)
    _rename(root)
    _ungroup(root)
    _classify(root)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def compact_path(places: str) -> str:
    """Return a path's commands M, L, C, Q, z with steps in place of places, rounded."""
    text, word = "", ""
    start = last = (0, 0)
    for command, numbers in COMMAND.findall(places):
        if command == "z":
            text, word, last = f"{text}z", "", start
            continue
        ends = [round(float(number) * UNITS) for number in numbers.split()]
        steps = [_number(end - last[i % 2]) for i, end in enumerate(ends)]
        last = (ends[-2], ends[-1])
        if command == "M":
            start = last
        if command.lower() != word:  # a command goes on without its letter, and m goes on as l
            text += command.lower()
            word = "l" if command == "M" else command.lower()
        for step in steps:
            text += step if step.startswith("-") or text[-1].isalpha() else f" {step}"
    return text


def _number(units: int) -> str:
    text = f"{units / UNITS:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _shorten(element: Element) -> None:
    """Round an element's places, and drop blanks and turns by nothing."""
    element.tail = None
    if element.text is not None and not element.text.strip():
        element.text = None
    attributes = element.attrib
    if "d" in attributes:
        attributes["d"] = compact_path(attributes["d"])
    if "style" in attributes:
        attributes["style"] = re.sub(r"\s*([:;,])\s*", r"\1", attributes["style"])
    if HREF in attributes:
        attributes[HREF] = re.sub(r"\s", "", attributes[HREF])
    if NO_TURN.fullmatch(attributes.get("transform", "")):
        del attributes["transform"]
    for name in PLACES:
        if name in attributes:
            attributes[name] = LONG_NUMBER.sub(
                lambda m: _number(round(float(m[0]) * UNITS)), attributes[name]
            )


def _rename(root: Element) -> None:
    """Number the ids that an attribute refers to, and drop the others."""
    names: dict[str, str] = {}
    for element in root.iter():
        for key, value in element.attrib.items():
            if key != "style" and len(value) < MOST_REFERENCE:
                element.set(
                    key,
                    REFERENCE.sub(lambda m: f"#{names.setdefault(m[1], f'i{len(names)}')}", value),
                )
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in names:
            element.set("id", names[name])


def _ungroup(element: Element) -> None:
    """Put the content of groups without attributes in their place, and join alike neighbours."""
    children: list[Element] = []
    for child in element:
        _ungroup(child)
        is_group = child.tag == f"{{{SVG}}}g"
        if is_group and not child.attrib:
            children += child
        elif (
            is_group
            and children
            and set(child.attrib) == {"clip-path"}
            and (children[-1].tag, children[-1].attrib) == (child.tag, child.attrib)
        ):
            children[-1].extend(child)
        else:
            children.append(child)
    element[:] = children


def _classify(root: Element) -> None:
    """Say every style that recurs once, as a class."""
    counts = Counter(e.attrib["style"] for e in root.iter() if "style" in e.attrib)
    classes = {style: f"s{i}" for i, (style, n) in enumerate(counts.most_common()) if n > 1}
    for element in root.iter():
        name = classes.get(element.get("style", ""))
        if name:
            del element.attrib["style"]
            element.set("class", name)
    sheet = root.find(f"{{{SVG}}}defs/{{{SVG}}}style")
    assert sheet is not None
    sheet.text = f"{sheet.text}{''.join(f'.{name}{{{s}}}' for s, name in classes.items())}"
