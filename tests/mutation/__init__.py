"""Tests that can fail: break the code in one place, and see whether a test notices.

    python -m tests.mutation --room _call --sample 60 --seed 1

Each mutant is one change to one file of a room: a comparison flipped, a statement dropped, a
constant swapped. The room's tests run over it in a copy of the tree. A mutant that survives is
a line that no test holds, or a change that makes no difference: read each, and say which.

It is our own because the standard tools do not fit these tests. mutmut puts all mutants of a
function into the module and switches by an environment variable: tests that fork, start programs
with an environment of their own or replace functions do not reach the right one. cosmic-ray
changes the working tree in place, and needs a server for each worker to run two at once.
"""
