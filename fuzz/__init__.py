"""Hostile input: what every parser does with files that were broken on purpose."""
