"""Training on a GPU: weights, optimiser and data stay on the device, which the host only feeds."""
