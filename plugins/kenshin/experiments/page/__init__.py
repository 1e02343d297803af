"""The page: a report as one HTML file, for a person who decides.

- `html`: the report's JSON to the file.
- `words`: what is recommended, why, how sure that is, what comes next.
- `figures`: its charts.
- `tables`: the figures behind them.
- `numbers`: how they are written.

The file asks for nothing: no script, no font, no picture from elsewhere. Its content security policy forbids all of it.
"""

from kenshin.experiments.page.html import render_page

__all__ = ["render_page"]
