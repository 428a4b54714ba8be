"""What runs on a box: NumPy and the standard library, Python 3.6 or newer, nothing else of convq.

These files travel inside a standalone bundle. So they import each other only, and their annotations
are quoted where Python 3.6 could not evaluate them.
"""
