"""Laws of `policies.errors`: one base for all, and a batch that fails in part loses nothing."""

import pickle

import pytest

from policies import errors
from policies.base import Decision
from policies.errors import EpisodesFailed, ReplyBlocked, ServiceError, ServiceRefused
from sage_env.actions.action import Answer
from sage_env.errors import SageEnvError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", [k for k in KINDS if k.__module__ == errors.__name__])
def test_a_caller_catches_them_all_by_one_name(kind):
    assert issubclass(kind, SageEnvError) and kind.__doc__


def test_a_batch_that_fails_in_part_says_how_many_and_why_and_keeps_the_rest():
    failed = EpisodesFailed({"a": ReplyBlocked("withheld")}, {"b": Decision(Answer("x"))})
    assert str(failed) == "1 of 2 episodes: withheld"
    copied = pickle.loads(pickle.dumps(failed))
    assert copied.decisions["b"].action == Answer("x") and str(copied) == str(failed)
    assert isinstance(copied.errors["a"], ReplyBlocked)


def test_a_service_that_refuses_is_a_service_that_gave_no_reply():
    assert issubclass(ServiceRefused, ServiceError) and issubclass(ReplyBlocked, ServiceError)
