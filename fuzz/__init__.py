"""Hostile input: what every parser and job does with what was broken on purpose."""
