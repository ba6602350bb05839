"""Flow control of the step platform: which events start runs, when, and how many steps execute at a time.

A file for each rule, with its settings (frozen) and a decider (state, no clock: it is told the time). `control` bundles
the settings of one function, `gate` asks the deciders in order. Always holds: nothing here waits or acts; what is
decided is returned as data (`decisions`). Times given to one decider never go backwards.
"""
