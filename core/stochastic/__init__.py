"""Convolution as an experiment: where a kernel's probabilities say where to look."""

from core.stochastic.sampling import BLOCK_ON_GPU, Sampled, Sampler, batches

__all__ = ["BLOCK_ON_GPU", "Sampled", "Sampler", "batches"]
