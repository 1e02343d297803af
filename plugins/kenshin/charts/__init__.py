"""Charts: Vega-Lite specs as functions of plain rows, shared by the reports and the page.

- `theme`: colours, type and frame; for a page that knows light and dark, and for a picture that does not.
- `effect`: a candidate's effect over the nights against the decision boundary.
- `sessions`: sessions by arm over the nights, and the share of each beside the one it should have.
- `forest`: estimates with their intervals, one a row: segments, phases.
- `guardrails`: intervals of relative changes against their margins.
- `svg`: a chart as one piece of SVG that needs no script.

A chart takes rows as a JSON reader has them and answers an Altair chart; who draws it chooses how: `svg` for a file,
Vega for a page. Altair and the renderer load on use (extra ``charts``).
"""
