"""Evaluations in other projects' formats, and theirs in ours.

| format | out | in |
|---|---|---|
| lmms-eval sample files | `lmms_samples` | `lmms_import` |
| ATIF v1.8 documents | `atif_documents` | `atif_documents` |
| `messages` and `images` of Hugging Face trainers | `chat_examples` | |
| Minari datasets | `minari_dataset` | `minari_dataset` |
| SAGE's released results | | `sage_results` |

What is read from elsewhere becomes a run folder, so that `report`, `compare` and `score` take it. A
failed episode stays one, an answer that was not judged too: neither becomes a wrong answer.

May not: play a policy (that is `lmms_plugin/`), score an answer anew, or write into the run that is
read.

Read in this order: `played_entry` (what is written out), `playing_again` (its observations, decoded
again), `picture_files`; `lmms_samples`, `atif_documents`, `chat_examples`, `minari_spaces`,
`minari_dataset`; then inwards `foreign_rows` (one line of another's file), `lmms_import`,
`sage_calls`, `sage_results`, `question_match` (whose question is it of ours), `imported_run` (the
folder); `lmms_plugin/`, our questions and policies inside lmms-eval.
"""
