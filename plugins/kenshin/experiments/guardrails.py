"""Guardrails: figures that a candidate must not harm, whatever its score.

A guardrail passes when its worst plausible value is within the margin, and is harmed when even its best plausible value
is outside it. "Plausible" is as wide as the score's own boundary of the night: looking at a guardrail every night would
otherwise find harm, or safety, by patience alone. The guardrail's information grows with the score's, both by sessions,
so the score's boundary serves. Each guardrail is a promise of its own: there is no correction over several, as every one
must pass for a promotion, and any one that is harmed takes the arm back.
"""

from __future__ import annotations

from dataclasses import dataclass
