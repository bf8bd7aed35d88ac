"""Do what a frozen plan says, and nothing else."""
