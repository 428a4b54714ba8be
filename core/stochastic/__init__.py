"""Convolution as an experiment: where a kernel's probabilities say where to look."""

from core.stochastic.sampling import Sampled, Sampler, batches

__all__ = ["Sampled", "Sampler", "batches"]
