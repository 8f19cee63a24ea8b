"""What the toolkit costs, beside what users would take instead: `python -m tests.benchmarks`.

Only ratios within one run mean anything: the ways compared take turns (A B C A B C ...), so that
a busy machine is equally unkind to all of them.
"""
