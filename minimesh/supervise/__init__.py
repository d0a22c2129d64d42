"""Floor 2: processes, probes, start order, restarts, logs."""
