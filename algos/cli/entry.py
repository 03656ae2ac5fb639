"""The command line, `sage-vqa`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import tyro

from algos.cli.commands import Ask, Play, Report
from algos.cli.compare_command import Compare
from algos.cli.data.audit_command import AuditData
from algos.cli.data.data_commands import BuildData, CheckData, DownloadData, ExportData
from algos.cli.data.distill_command import Distill
from algos.cli.data.generate_command import GenerateData
from algos.cli.data.pipeline_command import Pipeline
from algos.cli.data.verify_data_command import VerifyData
from algos.cli.eval_command import Eval
from algos.cli.exchange_commands import Export, ImportData, LmmsTask
from algos.cli.judge_command import CheckJudge, ShowPairs
from algos.cli.merge_command import Merge
from algos.cli.replay_command import Replay
from algos.cli.score_command import Score
from algos.cli.sft_command import Sft
from algos.cli.terminal import plain_messages, plain_traceback, say
from algos.cli.usage import told_in_one_sentence
from algos.cli.verify_command import Verify
from algos.cli.view_command import View
from algos.runs.stopping import Stopped, Terminated, stop_on_sigterm
from sage_env.errors import SageEnvError
from sage_env.lazy_exports import needs_extra
from sage_env.release import __version__

ABOUT = (
    "Long-video question answering: ask, play, train, fine-tune, evaluate, replay, score, compare, "
    "report, view, verify. `sage-vqa --version` says which release this is."
)


@dataclass(frozen=True)
class _Train:
    """Train a model with PPO, measure it on held-out videos, and write the report."""


@dataclass(frozen=True)
class _Data:
    """Videos and questions as files: `sage-vqa data build|check|export|generate|import`."""


@dataclass(frozen=True)
class _Judge:
    """How good a judge of free answers is: `sage-vqa judge check|pairs`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the command line; by default the process's own.

    Returns:
        0, also when a signal stopped a training that can go on later; 2 after input that cannot be
        worked with, which is said in one sentence; 130 after an interrupt, and 143 after SIGTERM
        where that is no training; 141 where nobody reads the output any more.
    """
    # So that package.module:name of a policy or a dataset is found in the working directory.
    if "" not in sys.path:
        sys.path.append("")
    with _somewhere_to_write(), plain_messages():
        try:
            _run(list(sys.argv[1:] if arguments is None else arguments))
        except SageEnvError as error:
            say(f"sage-vqa: {error}", error=True)
            return 2
        except Stopped as stopped:
            say(f"sage-vqa: {stopped}", error=True)
        except KeyboardInterrupt as interrupt:
            terminated = isinstance(interrupt, Terminated)
            say(
                f"\nsage-vqa: {'terminated' if terminated else 'interrupted'}; `train`, `sft`, "
                "`eval`, `data build` and `data generate` go on from here when run again",
                error=True,
            )
            return 143 if terminated else 130
        except BrokenPipeError:  # whoever read the output has gone, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except OSError as error:  # a full disk, a file without permission: no bug of ours
            say(f"sage-vqa: {error}", error=True)
            return 2
        except Exception:  # a bug: its traceback is told, and nothing in it carried out
            sys.excepthook = plain_traceback
            raise
    return 0


@contextmanager
def _somewhere_to_write() -> Iterator[None]:
    """Inside the block, let what is written to a closed output go nowhere: Python has `None`."""
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(sys.stdout or nowhere),
        redirect_stderr(sys.stderr or nowhere),
    ):
        yield


def _run(arguments: list[str]) -> None:
    """Run the command that the arguments describe; tyro exits with 2 where they describe none."""
    if arguments == ["--version"]:
        say(f"sage-vqa {__version__}")
        return
    if arguments[:1] == ["data"]:
        about = (
            "Videos and questions: make, check, fetch, generate, verify, distil, export and import."
        )
        data = {
            "build": BuildData,
            "check": CheckData,
            "distill": Distill,
            "download": DownloadData,
            "export": ExportData,
            "generate": GenerateData,
            "import": ImportData,
            "lmms-task": LmmsTask,
            "verify": VerifyData,
            "audit": AuditData,
            "pipeline": Pipeline,
        }
        _parse(data, arguments[1:], "sage-vqa data", about).run()
        return
    if arguments[:1] == ["judge"]:
        about = "How good a judge of free answers is."
        judge = {"check": CheckJudge, "pairs": ShowPairs}
        _parse(judge, arguments[1:], "sage-vqa judge", about).run()
        return
    commands = {
        "ask": Ask,
        "play": Play,
        "train": _Train,
        "sft": Sft,
        "eval": Eval,
        "merge": Merge,
        "score": Score,
        "judge": _Judge,
        "compare": Compare,
        "export": Export,
        "replay": Replay,
        "report": Report,
        "view": View,
        "verify": Verify,
        "data": _Data,
    }
    if arguments[:1] == ["train"]:
        _train(arguments[1:])
    elif arguments[:1] == ["sft"]:
        with stop_on_sigterm():
            _parse(commands, arguments, "sage-vqa", ABOUT).run()
    else:
        _parse(commands, arguments, "sage-vqa", ABOUT).run()


def _train(arguments: list[str]) -> None:
    """Run the training."""
    # Here, not above: the other commands should not wait for these imports.
    with needs_extra("`sage-vqa train`", "sage"):
        from algos.cli.train_command import train
    train(arguments)


def _parse(commands: dict[str, Any], arguments: list[str], program: str, about: str) -> Any:
    with told_in_one_sentence(arguments):
        return tyro.extras.subcommand_cli_from_dict(
            commands, prog=program, description=about, args=arguments
        )
