"""A chart as a piece of SVG within a page: no script, no request, names that do not clash, titles on hover."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from kenshin.charts.legible import legible
from kenshin.charts.theme import Chart, Theme
from kenshin.errors import BackendUnavailable

VEGA_LITE = "6.4"
"""The renderer holds several versions; one is named, so that a newer renderer draws the same."""

_SVG = "{http://www.w3.org/2000/svg}"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def as_svg(chart: Chart, theme: Theme, *, name: str, words: str) -> str:
    """Draw a chart; the same chart gives the same text.

    Args:
        chart: what to draw.
        theme: in which colours.
        name: tells its parts from those of the other charts of a page; letters, digits and hyphens.
        words: what it shows, for those who cannot see it.

    Raises:
        BackendUnavailable: the renderer is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise BackendUnavailable(
            value="vl-convert-python",
            reason="the package that draws charts is not installed",
            mend="Run: pip install 'kenshin[charts]'.",
        ) from error
    spec = _legible(theme.dressed(chart).to_dict())
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    root = ElementTree.fromstring(drawn)  # noqa: S314 - the renderer writes no entities
    frame = {key: root.attrib[key] for key in ("width", "height", "viewBox")}
    _prune(root)
    # The renderer counts its clips on from one chart to the next.
    clips = {
        clip.attrib["id"]: f"{name}-{place}" for place, clip in enumerate(root.iter(f"{_SVG}clipPath"), 1)
    }
    for element in root.iter():
        _simplify(element, clips)
    root.attrib = {"class": "chart", "role": "img", "aria-label": legible(words), **frame}
    return ElementTree.tostring(root, encoding="unicode")


def _legible(spec: Any) -> Any:
    if isinstance(spec, str):
        return legible(spec)
    if isinstance(spec, dict):
        return {legible(key): _legible(value) for key, value in spec.items()}
    return [_legible(value) for value in spec] if isinstance(spec, list) else spec


def _prune(parent: ElementTree.Element) -> None:
    """Take out what is not seen: hidden labels, empty shapes, the background."""
    for child in list(parent):
        _prune(child)
        empty = child.tag == f"{_SVG}g" and not len(child)
        if (
            empty
            or child.get("display") == "none"
            or child.get("opacity") == "0"
            or child.get("class") == "background"
        ):
            parent.remove(child)


def _simplify(element: ElementTree.Element, clips: Mapping[str, str]) -> None:
    """Drop what only a file of its own needs, and let a mark tell its figures on hover."""
    element.tag = element.tag.removeprefix(_SVG)
    kept = {}
    for key, value in element.attrib.items():
        if key == "id":
            kept[key] = clips[value]
        elif not key.startswith(("aria-", "{")) and key not in ("role", "class"):
            referred = _REFERENCE.sub(lambda found: f"url(#{clips[found[1]]})", value)
            kept[key] = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", referred)
    label, kind = element.get("aria-label"), element.get("aria-roledescription")
    if label and kind != "axis":
        title = ElementTree.Element("title")
        title.text = label
        element.insert(0, title)
    element.attrib = kept
