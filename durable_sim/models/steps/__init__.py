"""The execution model `steps`: a platform that calls functions over HTTP, and remembers the result of each step.

The files, each subject after what it stands on:

    protocol, step_ids, errors, retries    what both sides know
    flow/                                  flow control, as pure deciders
    function, entry, tools, common         user code: functions, one entry of a body, and what a body is given
    answers, handler                       the SDK's side of one call, decided and acted out
    chronicle                              what the simulator tells of it
    runs, directory, waits, queue, gates   the platform: what it remembers, knows, waits for, calls, and lets through
    platform, model                        the platform as a whole, and the model made of it
"""
