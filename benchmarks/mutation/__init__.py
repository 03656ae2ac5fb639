"""Mutation: small changes of the learning core, each of which some test must see.

May not: write into the source tree; a mutant lives in a process of its own and dies with it.

To be read in this order: `operators` (what is changed), `sites` (where, and the sample), `forked`
(tests in a child that imports the mutant), `executed` (which test runs which line), `known`
(mutants that change nothing, and why), `__main__` (one command, and the report).
"""
