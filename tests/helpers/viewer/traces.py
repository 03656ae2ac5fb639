"""Small traces as other projects write them, by hand after their sources.

| name | after |
|---|---|
| `SAGE` | `results/*_sage_bench_results.jsonl` of github.com/allenai/SAGE at b5d9c93 |
| `LMMS` | `loggers/evaluation_tracker.py` at 0716c69 and `models/chat/async_openai.py` at 033f3ff \
of github.com/EvolvingLMMs-Lab/lmms-eval |
| `LMMS_OLD` | the document with `logs` of its releases before 0.3 |
| `LONGVT` | `examples/eval/single_inference.py` of github.com/EvolvingLMMs-Lab/LongVT at 56ee7aa |
| `DVD` | `dvd/dvd_core.py` of github.com/microsoft/DeepVideoDiscovery at 032024a |
| `VIDEOSEEK` | `videoseek/agent.py` and `cli.py` of github.com/jylins/videoseek at 45b75ce |
| `ATIF` | documents that the package `atif` 1.8.0 reads |
| `RESPONSES` | items of OpenAI's Responses API |
| `TRAINER` | `messages` and `images` of Hugging Face's trainers |
| `INSPECT` | a log that inspect_ai 0.3.285 wrote as JSON |
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image


def picture(colour: str = "red") -> bytes:
    """Return a small PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(file, "PNG")
    return file.getvalue()


def data_uri(colour: str = "red") -> str:
    """Return the picture as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(picture(colour)).decode()}"


def image(colour: str = "red") -> dict[str, Any]:
    """Return the picture as a part of a message."""
    return {"type": "image_url", "image_url": {"url": data_uri(colour)}}


_SAGE_STAGE = {
    "answerable": {"verdict": False, "reasoning": "The graphic was not seen yet."},
    "final_answer": None,
    "recommended_tools": {
        "needed": True,
        "why_no_tool": None,
        "tool_calls": [{"rationale": "Look there.", "name": "x", "arguments": {}}],
    },
}
SAGE: dict[str, Any] = {
    "path": "data/06052025/jgYJ5V2HYy4/jgYJ5V2HYy4.mp4",
    "question": "Which is NOT listed?\n Answer the question based on the following options: \n"
    " (A) Background check\n (B) Call your mom",
    "answer": "Call your mom",
    "correct_answer": None,
    "id": "22c21e7f0c4e271f15613e917b573bdb",
    "full_answer": "Call your mom",
    "ques_type": "mcq",
    "difficulty": "medium",
    "modality": "both",
    "reasoning_steps": ["a reference that the model has not written"],
    "complete_results": {
        "context_vlm": [{"vlm_response": {**_SAGE_STAGE, "video_context": "A show."}}],
        "search_llm": [
            {
                "tool_calls": {
                    "extract_parts_from_timestamp_#1": {
                        "arguments": {
                            "video_path": "jgYJ5V2HYy4.mp4",
                            "timestamp_start": "00:45",
                            "timestamp_end": "01:05",
                            "extract_type": "frames",
                        },
                        "result": {
                            "media_paths": ["a_frame_1348_00:44.jpg", "a_frame_1948_01:04.jpg"]
                        },
                    }
                },
                "search_response": {**_SAGE_STAGE, "final_answer": "Call your mom"},
            }
        ],
        "num_search_calls": 1,
    },
}
LMMS: dict[str, Any] = {
    "doc_id": 7,
    "target": "C",
    "filtered_resps": ["C"],
    "resps": [
        [
            "<think>Look closer.</think>"
            '<tool_call>crop_video {"video_path": "/data/v7.mp4", "start_time": 30.0, '
            '"end_time": 42.5}</tool_call>'
            "<think>Blue.</think><answer>C</answer>"
        ]
    ],
    "doc_hash": "0" * 64,
    "input": "What colour is the car?\nA. red\nB. green\nC. blue",
    "videomme_score": {"question_id": "601-1", "videoID": "v7", "pred_answer": "C", "answer": "C"},
}
LMMS_OLD: dict[str, Any] = {
    "args": {},
    "logs": [
        {
            "doc_id": 0,
            "doc": {"id": "a-1", "video": "a.mp4", "duration": 60.0},
            "target": "yes",
            "filtered_resps": ["no"],
            "exact_match": 0.0,
        }
    ],
    "time": "0101_0000",
}
LONGVT: dict[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<0.0 seconds>"},
                image("red"),
                {"type": "text", "text": "<60.0 seconds>"},
                image("green"),
                {"type": "text", "text": "What is on the desk?"},
            ],
        },
        {
            "role": "assistant",
            "content": "<think>Near the end.</think>",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {
                        "name": "crop_video",
                        "arguments": '{"video_path": "/v/desk.mp4", "start_time": 50, '
                        '"end_time": 60}',
                    },
                }
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [image("blue"), image("white"), {"type": "text", "text": "got 2 frames."}],
        },
        {"role": "assistant", "content": "<think>A cup.</think><answer>A cup</answer>"},
    ],
    "answer": "a cup",
}
DVD: dict[str, Any] = {
    "q-12": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Total video length: 90 seconds.\n\nQuestion: Who wins?"},
        {
            "role": "assistant",
            "content": "THOUGHT look",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {
                        "name": "frame_inspect_tool",
                        "arguments": '{"question": "who?", "time_ranges_hhmmss": '
                        '[["00:00:10", "00:00:20"], ["00:01:00", "00:01:05"]]}',
                    },
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "frame_inspect_tool", "content": "The red."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "finish", "arguments": '{"answer": "The red team"}'},
                }
            ],
        },
    ]
}
VIDEOSEEK: dict[str, Any] = {
    "question": "Which animal?\n(A) Hawk\n(B) Panda\n(C) Tiger",
    "steps": [
        {
            "step_id": 1,
            "thought": "I will look over the video.",
            "action": {"function_name": "overview", "parameters": {}, "function_id": "f1"},
            "observation": {"outcome": "0.0s: a street\n\n90.0s: a sign"},
        },
        {
            "step_id": 2,
            "thought": "Two places.",
            "action": {
                "function_name": "focus",
                "parameters": {"query": "statue?", "start_time": 85, "end_time": 95.5},
                "function_id": "f2",
            },
            "observation": {"outcome": "a panda"},
        },
        {
            "step_id": 3,
            "thought": "Sure.",
            "action": {"function_name": "answer", "parameters": {}, "function_id": "f3"},
            "observation": {"outcome": "B"},
        },
    ],
    "final_answer": "B",
    "finish_reason": "stop",
}
ATIF: dict[str, Any] = {
    "schema_version": "ATIF-v1.7",
    "session_id": "s",
    "trajectory_id": "t-1",
    "agent": {"name": "watcher", "version": "1", "model_name": "model-x"},
    "steps": [
        {"step_id": 1, "source": "user", "message": "When does it ring?"},
        {
            "step_id": 2,
            "source": "agent",
            "message": "I look.",
            "reasoning_content": "Late.",
            "tool_calls": [
                {
                    "tool_call_id": "c1",
                    "function_name": "get_frames",
                    "arguments": {"timestamps": [70.0, 71.5]},
                }
            ],
            "observation": {
                "results": [
                    {
                        "source_call_id": "c1",
                        "content": [
                            {"type": "text", "text": "00:01:10"},
                            {
                                "type": "image",
                                "source": {"media_type": "image/png", "path": "images/a.png"},
                            },
                        ],
                    }
                ]
            },
            "metrics": {"prompt_tokens": 100, "completion_tokens": 20, "cost_usd": 0.001},
        },
        {"step_id": 3, "source": "agent", "message": "At 1:10."},
    ],
    "final_metrics": {"total_prompt_tokens": 100, "total_completion_tokens": 25},
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "What falls?"}]}],
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Middle."}]},
        {
            "type": "function_call",
            "call_id": "a",
            "name": "view",
            "arguments": '{"segment": [3, 9]}',
        },
        {
            "type": "function_call",
            "call_id": "b",
            "name": "view",
            "arguments": '{"segment": [20, 30]}',
        },
        {"type": "function_call_output", "call_id": "b", "output": "second"},
        {"type": "function_call_output", "call_id": "a", "output": "first"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "A leaf"}],
        },
    ],
    "usage": {"input_tokens": 12, "output_tokens": 5},
}
TRAINER: dict[str, Any] = {
    "id": "row-1",
    "messages": [
        {"role": "user", "content": "<12.0 seconds><image><14.0 seconds><image>Who?"},
        {"role": "assistant", "content": "Ann"},
    ],
    "images": ["images/a.png", {"bytes": None, "path": "images/a.png"}],
    "verdict": True,
}
INSPECT: dict[str, Any] = {
    "version": 2,
    "status": "success",
    "eval": {
        "created": "2026-01-01T00:00:00+00:00",
        "task": "t",
        "dataset": {"name": "d"},
        "model": "openai/m",
        "config": {},
    },
    "samples": [
        {
            "id": "s1",
            "epoch": 1,
            "input": "What colour?",
            "choices": ["red", "blue"],
            "target": "B",
            "messages": [
                {"role": "user", "content": "What colour?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "reasoning", "reasoning": "See."},
                        {"type": "text", "text": ""},
                    ],
                    "tool_calls": [
                        {"id": "x", "function": "clip", "arguments": {"start": 4, "end": "0:10"}}
                    ],
                },
                {
                    "role": "tool",
                    "tool_call_id": "x",
                    "function": "clip",
                    "content": [
                        {"type": "text", "text": "5.0s"},
                        {"type": "image", "image": "attachment://abc"},
                    ],
                },
                {"role": "assistant", "content": "B"},
            ],
            "attachments": {"abc": data_uri("blue")},
            "output": {"model": "m", "completion": "B"},
            "scores": {"choice": {"value": "C", "answer": "B", "explanation": "as keyed"}},
            "model_usage": {"m": {"input_tokens": 9, "output_tokens": 3}},
            "total_time": 2.5,
        }
    ],
}
LINES = {"sage": SAGE, "lmms": LMMS, "longvt": LONGVT, "atif": ATIF, "trainer": TRAINER}
"""Records that stand on a line each."""
DOCUMENTS = {
    "lmms-old": LMMS_OLD,
    "dvd": DVD,
    "videoseek": VIDEOSEEK,
    "responses": RESPONSES,
    "inspect": INSPECT,
}
"""Documents that are a file each."""
ALL = {**LINES, **DOCUMENTS}


def write_trace(folder: Path, name: str, *, indent: int | None = None) -> Path:
    """Write one of `ALL` into a folder, with the picture that some refer to; return its path."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "images" / "a.png").write_bytes(picture())
    path = folder / f"{name}.txt"
    path.write_text(json.dumps(ALL[name], indent=indent) + "\n", encoding="utf-8")
    return path
