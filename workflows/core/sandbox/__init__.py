"""How a program that we do not trust is kept away from everything else."""
