"""Worlds whose truth is known, judged night by night by the very code that judges an experiment."""
