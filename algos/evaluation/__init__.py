"""From trajectories to numbers: measures, bootstrap intervals, where a gain comes from. No torch.

May not: draw or write HTML; `report/` does.

Read in this order: `measures` (an episode's result, accuracy by group), `bootstrap` (cluster
bootstrap by video), `decomposition` (routing and skill), `tables` (plain text).
"""
