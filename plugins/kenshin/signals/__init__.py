"""Signals: every metric declared once, every event one record, and the sinks that carry records out.

- `catalogue`: the metrics, and which field of which record each comes from.
- `points`: the metrics that a record carries, with values and dimensions.
- `records`: the records (a request's are in `budgets`, `calls`, `usage`, `traces`, the signals' own in `losses`).
- `guard`: makes dimension values fit CloudWatch and caps how many distinct ones there are.
- `content`: what may be said of prompts and answers: nothing, unless capture is switched on.
- `context`: what a request knows of itself: its trace, and what its prompt was estimated to be.
- `recorder`, `lane`: the bounded queues between a caller and the sinks; never raise, count what they lose.
- `emf`: a record as one CloudWatch embedded-metric-format line.
- `genai`: a record in the words of OpenTelemetry's GenAI conventions.
- `sink`, `memory`: what a sink is, and one that only remembers.
"""
