"""Grounding: are the numbers, ids, links and names of an answer in the context that it was given?

- `support`: holds an answer's claims against a context.
- `claims`: the checkable claims of a text.
- `numerals`: numbers as English and Japanese write them, in one form.
- `derivation`: numbers that follow from others: sums, differences, products, percentages, units.

The standard library alone, no model, no language detection; time grows with the texts' length alone.
"""
