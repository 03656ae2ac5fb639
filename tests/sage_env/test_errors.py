"""Laws of `sage_env.errors`: what a plug-in raises becomes one of ours, and nothing is hidden."""

import pickle

import pytest

from sage_env.errors import (
    CorruptFrame,
    DecodeTimeout,
    JudgeError,
    MissingExtra,
    RewardError,
    ToolError,
    ToolInputError,
    VideoError,
    boundary,
)


def test_a_foreign_exception_is_told_with_its_type_and_kept_as_the_cause():
    with pytest.raises(RewardError) as caught, boundary(RewardError, "the reward failed on 'a'"):
        raise KeyError("score")
    assert str(caught.value) == "the reward failed on 'a': KeyError: 'score'"
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_exception_without_a_text_that_can_be_read_is_told_all_the_same():
    class Unreadable(Exception):
        def __str__(self):
            raise LookupError

    with pytest.raises(ToolError) as caught, boundary(ToolError, "the tool"):
        raise Unreadable
    assert str(caught.value) == "the tool: Unreadable: (its text cannot be read: LookupError)"
    assert isinstance(caught.value.__cause__, Unreadable)


def test_notes_of_an_exception_are_told():
    with pytest.raises(ToolError) as caught, boundary(ToolError, "the tool"):
        error = KeyError("at")
        error.add_note("look behind")
        raise error
    assert str(caught.value) == "the tool: KeyError: 'at'; look behind"


@pytest.mark.parametrize("ours", [DecodeTimeout("slow"), JudgeError("dead"), MissingExtra("no av")])
def test_an_error_of_ours_already_says_what_happened(ours):
    with pytest.raises(type(ours)) as caught, boundary(VideoError, "reading"):
        raise ours
    assert caught.value is ours


def test_only_what_passes_passes():
    """A tool that raises our `VideoError` has failed as a tool: it holds the video only for us."""
    with pytest.raises(ToolError, match="VideoError: gone"):
        with boundary(ToolError, "the tool", passes=(ToolInputError, MissingExtra)):
            raise VideoError("gone")
    with pytest.raises(ToolInputError):
        with boundary(ToolError, "the tool", passes=(ToolInputError, MissingExtra)):
            raise ToolInputError("at is late")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_who_wants_to_stop_is_not_stopped(stop):
    with pytest.raises(stop), boundary(VideoError, "reading"):
        raise stop


def test_a_block_that_works_is_left_alone():
    with boundary(VideoError, "reading"):
        value = 3
    assert value == 3


def test_damage_says_where_it_is():
    error = CorruptFrame("a.mp4", 1.5, 7, (3, 4))
    assert (error.seconds, error.packet, error.frames, str(error)) == (1.5, 7, (3, 4), "a.mp4")
    assert str(pickle.loads(pickle.dumps(error))) == "a.mp4"
