"""A tool that asks a model, as far as its bill says."""

from sage_env.tools.paid_text import PaidText

USAGE = {"model": "google/gemini-3.8-flash", "replies": [{"prompt": 9, "completion": 1}],
         "failed": 0}  # fmt: skip


class Paying:
    name, description, max_text = "paying", "Says a word, for money.", 3
    parameters = {"type": "object", "properties": {"word": {"type": "string"}}}

    def __call__(self, arguments, context):
        return PaidText(arguments.get("word", ""), USAGE)
