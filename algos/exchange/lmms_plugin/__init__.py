"""Our questions and our policies inside lmms-eval (checked with 0.7.3), without a fork of it.

    sage-vqa data lmms-task tasks --dataset sage-synth --split test
    lmms-eval --include_path tasks --tasks sage_synth_test
        --model sage-vqa --model_args policy=uniform:16

The task is a YAML file that names functions of `task_documents`; any model of lmms-eval can play
it. The entry point `model_manifest` names the model, which plays any task whose documents
have one video each.

May not: be imported by anything but lmms-eval and `task_folder`'s command: it alone has that
package.

Read in this order: `task_documents` (what the YAML file names), `task_folder` (writes it),
`manifests` (the entry point), `asked_questions` (a request as a question), `agent_model` (a policy
as a model).
"""
