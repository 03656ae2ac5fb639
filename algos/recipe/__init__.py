"""The recipe: what is done to the questions, budgets and rewards of training, one idea a file.

| file | idea | when |
|---|---|---|
| `turn_cap` | few turns at first, then all | before the rollout |
| `frame_budget` | a budget of frames drawn for every question | before the rollout |
| `curriculum` | short videos first, then all | before the rollout |
| `frame_target` | a price of frames that keeps their mean at a target | after the rollout |
| `step_credit` | pay for the looks that the right answer leans on | after the rollout |

`settings` switches them; everything is off by default. All but one are functions of the seed and
the update's number. The price of `frame_target`, which moves after every update, is the only state,
and is in every checkpoint.

May not: touch a loss; it changes what is asked, what it may cost, and what is paid.

Read in this order: `settings`, `questions` (which episodes an update plays), the five ideas,
`rewards` (where they meet an update).
"""
