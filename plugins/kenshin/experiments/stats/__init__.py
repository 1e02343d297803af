"""The mathematics of experiments: pure functions of sufficient statistics.

- `ratio`: a mean per observation whose unit is the session, and its variance.
- `quantile`: a quantile of such observations, and its interval.
- `difference`: the difference of two such means, absolute and relative; `welch` tests it for one look.
- `cuped`, `stratified`, `winsorise`: the same adjusted for covariates, averaged over phases, of values cut at a cap.
- `sequential`, `sequence`: bounds and intervals for looks every night, until a horizon or without one.
- `futility`, `power`: what the nights to come may still bring, and how many are needed.
- `multiplicity`, `noninferiority`, `mismatch`: several tests at once, guardrails, and the ratio of the sample.
"""
