"""Signals: every metric declared once, every event one record, and the sinks that carry records out.

- `catalogue`: the metrics, and which field of which record each comes from.
- `records`: the records.
- `recorder`: the bounded queue between a caller and the sinks; never raises, counts what it drops.
- `emf`: a record as one CloudWatch embedded-metric-format line.
- `sink`, `memory`: what a sink is, and one that only remembers.
"""
