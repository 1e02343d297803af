"""Real data for demonstrations and tests: a randomised trial, and an index of documentation."""
