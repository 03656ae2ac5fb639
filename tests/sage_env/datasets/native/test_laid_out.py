"""Laws of `sage_env.datasets.native`: folders laid out as benchmarks are, and played."""

import gymnasium as gym
import pytest

import sage_env
from sage_env.actions.action import Answer
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.native.video_files import missing_videos, with_videos
from sage_env.subtitles.reading import subtitles_of
from sage_env.testing.dataset_check import check_dataset
from tests.helpers.native.laid_out import touch, write_clips, write_rows

IDS = [f"clip{k}_abcde" for k in range(9)] + ["clip9_ABCDE"]
SRT = '1\n00:00:00,500 --> 00:00:01,500\n<font color="#fff">here we go</font>\n'


def video_mme(root):
    rows = [
        {
            "video_id": f"{k:03d}", "duration": ("short", "medium", "long")[k % 3],
            "domain": "Sports" if k % 2 else "Arts", "sub_category": f"kind {k}",
            "url": f"https://www.youtube.com/watch?v={name}", "videoID": name,
            "question_id": f"{k:03d}-{n}", "task_type": ("Counting", "Order", "When")[n - 1],
            "question": f"What is seen at {n}?", "answer": "ABCD"[(k + n) % 4],
            "options": [f"{letter}. number {x}" for x, letter in enumerate("ABCD")],
        }
        for k, name in enumerate(IDS) for n in (1, 2, 3)
    ]  # fmt: skip
    write_rows(root / "videomme/test-00000-of-00001.parquet", rows)
    write_clips(
        root / "data", [f"{name}.{'MP4' if k == 4 else 'mp4'}" for k, name in enumerate(IDS)]
    )
    for name in IDS[:7]:
        touch(root, f"subtitle/{name}.srt")
        (root / f"subtitle/{name}.srt").write_text(SRT)


def lvbench(root):
    rows = [
        {
            "key": name, "type": "live", "video_info": {"fps": 25.0},
            "qa": [
                {
                    "uid": str(10 * k + n), "answer": "ABCD"[n],
                    "question": "Who?\n(A) one\n(B) two\n(C) three\n(D) four",
                    "question_type": ["reasoning", "summarization"][: n + 1],
                    "time_reference": ("00:01-00:02", "00:02-00:01", "00:02")[n],
                }
                for n in range(3)
            ],
        }
        for k, name in enumerate(IDS)
    ]  # fmt: skip
    write_rows(root / "video_info.meta.jsonl", rows)
    write_clips(root / "videos", [f"{name}.mp4" for name in IDS])


def cg_bench(root):
    rows = [
        {
            "qid": k, "video_uid": name, "question": "Which?",
            "choices": [f"x {n}" for n in range(14)],
            "right_answer": "ABCDEFGHIJKLMN"[k + 4], "answer": f"x {k + 4}", "duration": 3.0,
            "clue_intervals": [[1, 2], [1.5, 2.5]], "domain": "D", "sub_category": "S",
        }
        for k, name in enumerate(IDS)
    ]  # fmt: skip
    write_rows(root / "cgbench.json", rows)
    write_clips(root / "cg_videos_720p", [f"{name}.mp4" for name in IDS])


def sage_bench(root):
    ask = "\n Answer the question based on the following options: \n "
    rows = [
        {
            "video_id": name, "gt_answer": f"thing {k}", "difficulty": "easy", "modality": "visual",
            "ques_type": "mcq" if k % 2 else "open-ended", "video_duration": "0:00:03",
            "duration_seconds": 3.0,
            "question": f"What? {ask}(A) thing {k}\n (B) no" if k % 2 else f"What now, {k}?",
        }
        for k, name in enumerate(IDS)
    ]  # fmt: skip
    write_rows(root / "data/test-00000-of-00001.parquet", rows)
    write_clips(root / "videos", [f"{name}.mp4" for name in IDS])


LAYOUTS = {
    "video-mme": (video_mme, 30),
    "lvbench": (lvbench, 30),
    "cg-bench": (cg_bench, 10),
    "sage-bench": (sage_bench, 10),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_is_loaded_and_played(tmp_path, name):
    lay_out, count = LAYOUTS[name]
    lay_out(tmp_path)
    items = load_dataset(name, root=tmp_path, split="test")
    assert len(items) == count and missing_videos(items) == []
    check_dataset(items, videos=2)
    items[0].video.unlink()
    there = with_videos(items)
    lost = count // len(IDS)
    assert len(there) == count - lost and there[0].id == items[lost].id
    env = gym.make(
        "SageVideoQA-v0", dataset=there, overview_frames=3, max_frames=8, frame_size=(48, 64)
    )
    for index in (0, len(there) - 1):
        observation, info = env.reset(seed=0, options={"index": index})
        assert observation["num_frames"] == 3 and "here we go" not in str(observation["text"])
        *_, info = env.step(Answer(there[index].answer))
        assert info["correct"] is True
        if there[index].evidence:  # seconds 1 to 2, and frames at 0.5, 1.5 and 2.5
            assert info["evidence_recall"] == 1.0
    env.close()


def test_gym_make_takes_the_name(tmp_path):
    video_mme(tmp_path)
    env = gym.make("SageVideoQA-v0", dataset="video-mme", root=tmp_path, split="test")
    _, info = env.reset(seed=0, options={"item_id": "009-3"})
    assert info["item_id"] == "009-3"
    env.close()
    with pytest.raises(sage_env.DatasetError, match="has the splits test, not 'train'"):
        gym.make("SageVideoQA-v0", dataset="video-mme", root=tmp_path)


def test_what_is_said_is_found_beside_the_videos(tmp_path):
    video_mme(tmp_path)
    items = load_dataset("video-mme", root=tmp_path, split="test")
    said = [subtitles_of(item) for item in items]
    assert [len(lines) for lines in said] == [1] * 21 + [0] * 9
    assert said[0][0] == (0.5, 1.5, "here we go")
