"""The recipe: what is done to the questions, budgets and rewards of training, one idea a file.

| file | idea | when |
|---|---|---|
| `turn_cap` | few turns at first, then all | before the rollout |
| `frame_budget` | a budget of frames drawn for every question | before the rollout |
| `curriculum` | short videos first, then all | before the rollout |
| `frame_target` | a price of frames that keeps their mean at a target | after the rollout |
| `step_credit` | pay for the looks that the right answer depends on | after the rollout |

May not: touch a loss, or change evaluation, which plays under the environment's own budgets and
rewards.

Read in this order: `settings` (switches; everything is off by default), `questions` (an update's
episodes, under the first three ideas), the five ideas, `rewards` (an update's rewards, with the
last two). All but one are functions of the seed and the update's number. The price of
`frame_target`, which moves after every update, is the only state, and is in every checkpoint.
"""
