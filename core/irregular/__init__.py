"""Convolution of functions that are known at uneven points."""

from core.irregular.bounds import error_bound
from core.irregular.chart import chart
from core.irregular.exact import exact
from core.irregular.nonuniform import nonuniform
from core.irregular.sampled import Sampled, sums

__all__ = ["Sampled", "chart", "error_bound", "exact", "nonuniform", "sums"]
