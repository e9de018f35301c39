"""GPU work on a queue: scripts watched until they end, on this machine, Slurm or Kubernetes."""
