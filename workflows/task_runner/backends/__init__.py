"""What carries out a job: a clock, a process, Cloud Run."""
