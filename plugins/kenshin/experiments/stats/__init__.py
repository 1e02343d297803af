"""The mathematics of experiments: pure functions of sufficient statistics.

- `ratio`: a mean per observation whose unit is the session, and its variance.
- `quantile`: a quantile of such observations, and its interval.
- `welch`: the difference of two such means.
"""
