"""The exit codes of `wecom-auth`'s commands, a module each; `cli` reads what was typed.

The exit codes are those that shells know: 1 for failure, 2 for what must be set or installed
first, 128 and the signal's number for a command that a signal ended.
"""

FAILED, MISCONFIGURED, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
