"""Text, token ids and positions of one conversation.

May not: import torch.

Read in this order: `chat_template` (is the checkpoint's template the one that we write?),
`chat_tokens` (segments to ids and back), `mrope` (positions in time, height and width),
`frame_ablation` (the same prompt without some of its frames).
"""
