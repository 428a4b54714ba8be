"""What keeps a box up to date: it fetches bundles, tries them, and delivers results.

NumPy and the standard library of Python 3.6 or newer, and `core.edge.runtime`, nothing else: these
files travel inside a standalone bundle, too.
"""
