"""Measurements made of many runs: what a change of the code does to executions in flight, how the models compare."""
