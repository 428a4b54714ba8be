"""Nets: layers, a graph of them, and what trains them."""
