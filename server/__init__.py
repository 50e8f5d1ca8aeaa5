"""What runs: the processes, and the few modules that every process shares."""
