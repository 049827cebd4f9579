"""Experiments: what is compared, who runs it, and the tables made of the results."""
