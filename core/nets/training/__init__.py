"""Training of nets: options, the loop, its state on disk, and what a trained net is worth."""
