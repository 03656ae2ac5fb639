"""`check_policy`: the contract of a policy, as laws that are tried on it.

May not: know any policy of the project.

Read in this order: `policy_check` (whole episodes, batches, seeds), `token_check` (the tokens of
decisions, for policies that are trained).
"""

from policies.check.policy_check import check_policy

__all__ = ["check_policy"]
