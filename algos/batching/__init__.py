"""Trajectories to padded rows and minibatches, and gradients piece by piece.

May not: know what a loss is.

Read in this order: `token_batches` (rows, padding, which token was sampled in which turn),
`gradients` (minibatches cut into pieces, one denominator).
"""
