"""Known survivors: mutants that no test sees, each with the reason.

Names are those of `sites.Mutant.name`. The reasons are of three kinds: the mutant computes the same
(`same`); it differs in time or memory only (`cost`); it differs where nothing can tell (`words`: a
message, a name in a log, a guard that another guard repeats).
"""

from __future__ import annotations

from collections.abc import Mapping

KNOWN: Mapping[str, str] = {
    "policies/sage_mm/model/fused_lora.py: name, modules = names[0], layer._modules => name, "
    "modules = names[(-1)], layer._modules": "same: there is one name",
    "policies/sage_mm/generation/sampling.py: kept = torch.zeros_like(keep).scatter_(1, index, "
    "keep) => kept = torch.ones_like(keep).scatter_(1, index, keep)": "same: every place is "
    "scattered to",
    'algos/ppo/training.py: if getattr(policy, "top_k", 0) > 0 or getattr(policy, "top_p", 1.0) < '
    '1: => if getattr(policy, "top_k", (-1)) > 0 or getattr(policy, "top_p", 1.0) < 1:': "same: "
    "neither is above 0",
    "policies/sage_mm/generation/prefix_cache.py: _NO_IDS = np.zeros(0, np.int64) => _NO_IDS = "
    "np.ones(0, np.int64)": "same: there is nothing in either",
    "algos/evaluation/decomposition.py: accuracy = np.divide(right, taken, out=np.full_like(right, "
    "np.nan), where=taken > 0) => accuracy = np.divide(right, taken, out=np.full_like(right, "
    "np.nan), where=taken > (-1))": "words: 0 / 0 is nan as well, with a warning of numpy",
    "policies/sage_mm/vision/batched_tower.py: if torch.is_grad_enabled() and "
    "projection.weight.requires_grad: => if False:": "cost: the other way differentiates more "
    "slowly",
    "algos/batching/token_batches.py: stacked = _stack([*results, results[0].new_zeros(0, "
    "batch.ids.shape[1])]) => stacked = _stack([*results, results[0].new_zeros(1, "
    "batch.ids.shape[1])])": "same: the order that is taken from it ends before that row",
    "algos/objectives/advantages.py: squares = squares.index_add(0, index[known], gap[known] ** 2) "
    "=> squares = squares.index_add((-1), index[known], gap[known] ** 2)": "same: there is one "
    "dimension",
    "policies/sage_mm/tokens/frame_ablation.py: begin = int(np.flatnonzero(prompt[: starts[0]] == "
    "tokens.im_start)[-1]) + 1 => begin = int(np.flatnonzero(prompt[: starts[(-1)]] == "
    "tokens.im_start)[-1]) + 1": "same: no message opens between the frames of one prompt",
    "algos/objectives/advantages.py: gap = (returns - group_baseline(returns, groups, "
    "leave_one_out=False)).abs() => gap = (returns - group_baseline(returns, groups, "
    "leave_one_out=True)).abs()": "same: returns differ from the mean of all, or from that of the "
    "others, in the same groups",
    "algos/evaluation/quantiles.py: _TERMS = 2_000 # of the continued fraction; about the square "
    "root of the larger parameter is needed => _TERMS = 2001 # of the continued fraction; about "
    "the square root of the larger parameter is needed": "same: the fraction has converged before, "
    "for up to millions of questions",
    "policies/sage_mm/scoring.py: return TokenScores(logprobs.gather(1, chosen[:, None])[:, 0], "
    "entropy) => return TokenScores(logprobs.gather(1, chosen[:, None])[:, (-1)], entropy)": "same"
    ": there is one column",
    "policies/sage_mm/tokens/chat_template.py: ours = tokens.with_prefill(prefill).prompt(["
    '"<0.5 seconds>", 0, "\\nWhat?"], 1, first=True) => ours = tokens.with_prefill(prefill)'
    '.prompt(["<0.5 seconds>", (-1), "\\nWhat?"], 1, first=True)': "same: a frame's tokens do "
    "not tell its number",
    "policies/sage_mm/model/packed_attention.py: if shared: # kernels that take a mask take no "
    "groups of heads => if True: # kernels that take a mask take no groups of heads": "same: where "
    "heads are not shared, each is repeated once",
    "policies/sage_mm/model/token_scores.py: MASKED = -1e9 => MASKED = -1100000000.0": "same: the "
    "exponential of both is 0",
    "algos/evaluation/decomposition.py: means = _parts(cells.sum(0, keepdims=True))[:, 0] => "
    "means = _parts(cells.sum(0, keepdims=True))[:, (-1)]": "same: there is one column",
    "algos/evaluation/decomposition.py: taken, right = np.moveaxis(sums.reshape(-1, 2, 2, 2), -1, "
    "0) # (N, side, route) each => taken, right = np.moveaxis(sums.reshape(-2, 2, 2, 2), -1, 0) # "
    "(N, side, route) each": "same: numpy takes any negative size for the unknown one",
}
"""Reason by name; the first word is the kind."""
