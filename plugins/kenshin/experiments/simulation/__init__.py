"""Simulation: experiments in worlds whose truth is known, judged by the very code that judges the nights.

- `worlds`: sessions and their scores, drawn from a seed.
- `scenarios`: a world, an experiment in it, and how its sessions come; those that the rules are held to.
- `planning`: the scenario of an experiment that is yet to run.
- `courses`: one world night by night.
- `rates`: how often worlds end how.
"""
