"""Finding the faults that break a workflow: sweeps over every place, the smallest fault sets, what was covered."""
