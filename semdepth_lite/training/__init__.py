"""Training: settings, batches, the loop, its checkpoints, what comes before it, and what it costs."""
