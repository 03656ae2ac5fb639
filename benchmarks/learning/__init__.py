"""What is learned: gains over seeds on held-out videos, and baselines with the same information."""
