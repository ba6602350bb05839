"""The execution model `replay`: durable execution by event history and replay, as Temporal does it.

The files, each subject after what it stands on:

    events, order, lives                          histories: types, and which event may follow which
    runner                                        the seam to whatever runs workflow code
    outcomes, matching_commands, instance         a workflow's code run over a history; pure
    native                                        this package's own workflow functions, behind the seam
    server/                                       the durable side, and its store
    wire, local_activities, worker                the volatile side
    prefixes, describe, history, exchange/        looking at it: checks, an operator's view, the form of the real tools
    model                                         put together
"""
