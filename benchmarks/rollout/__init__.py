"""What playing costs: the environment's own work, sampling, decoding that rollouts share."""
