"""The theme: colours by their role, one typeface, thin lines; so that every chart of the house looks alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import altair as alt

Chart: TypeAlias = "alt.LayerChart | alt.FacetChart | alt.VConcatChart"

FONT = "Liberation Sans"
"""The renderer ships this typeface, so a chart is measured alike on every machine. A reader without it sees Arial."""

SMALL, NORMAL = 11, 12


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as CSS knows them, by what they are for.

    Args:
        ink: text and estimates that stand for the whole.
        muted: axis labels, notes.
        grid: lines that only guide the eye.
        zone: an area in which nothing can be said yet.
        good: better, or within a margin.
        bad: worse, or beyond a margin.
        undecided: neither.
        arms: one an arm, control first; further arms begin again after control.
    """

    ink: str
    muted: str
    grid: str
    zone: str
    good: str
    bad: str
    undecided: str
    arms: tuple[str, ...]

    def arm_colours(self, arms: list[str]) -> alt.Scale:
        """The colours of the arms, in their order, control first."""
        import altair as alt

        control, *others = self.arms
        colours = [control, *(others[place % len(others)] for place in range(len(arms) - 1))]
        return alt.Scale(domain=arms, range=colours)

    def dressed(self, chart: Chart) -> Chart:
        """A chart in this theme."""
        dressed: Chart = (
            chart.configure(background="transparent", font=FONT, padding=2)
            .configure_view(stroke=None)
            .configure_axis(
                domainColor=self.grid,
                gridColor=self.grid,
                labelColor=self.muted,
                labelFontSize=SMALL,
                tickColor=self.grid,
                tickSize=4,
                titleColor=self.muted,
                titleFontSize=SMALL,
                titleFontWeight="normal",
                titlePadding=8,
            )
            .configure_text(color=self.muted, fontSize=SMALL)
        )
        return dressed


PRINTED = Theme(
    ink="#1b2430",
    muted="#566070",
    grid="#dfe3e8",
    zone="#e9edf2",
    good="#1a7f4b",
    bad="#b42318",
    undecided="#8a5a00",
    arms=("#6b7686", "#1f5fbf", "#b4540a", "#7a3fa8", "#0f7b7b"),
)
"""On white, for notebooks and pictures."""

STYLED = Theme(
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--grid)",
    zone="var(--zone)",
    good="var(--good)",
    bad="var(--bad)",
    undecided="var(--undecided)",
    arms=("var(--arm-0)", "var(--arm-1)", "var(--arm-2)", "var(--arm-3)", "var(--arm-4)"),
)
"""For SVG within a page that gives these properties, one set for light and one for dark."""
