"""The space of conversations: messages with text and pictures, in one of two dialects."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Literal, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import batch_differing_spaces
from gymnasium.wrappers.utils import create_zero_array
from numpy.typing import NDArray
from PIL import Image

from sage_env.spaces import UnicodeText

Message: TypeAlias = dict[str, Any]
Block: TypeAlias = dict[str, Any]
Dialect = Literal["transformers", "openai"]
Encoding = Literal["png", "jpeg"]

_URL = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
_TEXT = UnicodeText(1 << 30)  # a conversation may grow: no length is refused
_JPEG_QUALITY = 90  # of Pillow's 0 to 95; a choice between bytes per frame and legible small text


class ChatSpace(gym.spaces.Space[list[Message]]):
    """Conversations that wait for a reply: `[system,] user, assistant, user, …, user`.

    A message is `{"role": …, "content": …}`; the content of a user message is a list of blocks:

    | dialect | text | picture | content of the others |
    |---|---|---|---|
    | `transformers` | `{"type": "text", "text": …}` | `{"type": "image", "image": PIL image}` | a \
list of one text block |
    | `openai` | the same | `{"type": "image_url", "image_url": {"url": "data:image/…"}}` | text |

    Membership looks at the shape of everything, and at the size of PIL images, which is at most
    that of a frame; what is inside a data URL is not decoded.
    """

    def __init__(
        self,
        frame_size: tuple[int, int],
        dialect: Dialect = "transformers",
        *,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        """Make the space of conversations with RGB pictures of at most `frame_size`, (H, W)."""
        self.frame_size = frame_size
        self.dialect = checked_dialect(dialect)
        super().__init__(None, None, seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Return False: conversations do not flatten into an array."""
        return False

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> list[Message]:
        """Draw a conversation of up to three user messages; takes neither mask nor probability."""
        if mask is not None or probability is not None:
            raise ValueError("this space samples without a mask or probability: pass neither")
        _TEXT.seed(int(self.np_random.integers(1 << 31)))
        messages = [self._sampled_user()]
        for _ in range(int(self.np_random.integers(3))):
            messages += [plain_message("assistant", _TEXT.sample(), self.dialect)]
            messages += [self._sampled_user()]
        if self.np_random.integers(2):
            messages.insert(0, plain_message("system", _TEXT.sample(), self.dialect))
        return messages

    def contains(self, x: Any) -> bool:
        """Return whether `x` is such a conversation."""
        if not isinstance(x, list) or not all(_is_record(m, "role", "content") for m in x):
            return False
        spoken = x[1:] if x and x[0]["role"] == "system" else x
        turns = ["user" if k % 2 == 0 else "assistant" for k in range(len(spoken))]
        if len(spoken) % 2 == 0 or [message["role"] for message in spoken] != turns:
            return False
        return all(self._is_content(message) for message in x)

    def __eq__(self, other: object) -> bool:
        """Return whether both are of the same dialect and frame size."""
        return isinstance(other, ChatSpace) and (self.frame_size, self.dialect) == (
            other.frame_size,
            other.dialect,
        )

    def __repr__(self) -> str:
        """Show the frame size and the dialect."""
        return f"ChatSpace(frame_size={self.frame_size}, dialect={self.dialect!r})"

    def _is_content(self, message: Message) -> bool:
        content = message["content"]
        if message["role"] == "user":
            return isinstance(content, list) and all(self._is_block(block) for block in content)
        if self.dialect == "openai":
            return _TEXT.contains(content)
        return isinstance(content, list) and len(content) == 1 and _is_text(content[0])

    def _is_block(self, block: Any) -> bool:
        if _is_text(block):
            return True
        if self.dialect == "openai":
            found = _is_record(block, "type", "image_url") and block["type"] == "image_url"
            return found and _is_data_url(block["image_url"])
        found = _is_record(block, "type", "image") and block["type"] == "image"
        image, (height, width) = block["image"] if found else None, self.frame_size
        if not isinstance(image, Image.Image) or image.mode != "RGB":
            return False
        return 0 < image.width <= width and 0 < image.height <= height

    def _sampled_user(self) -> Message:
        blocks: list[Block] = []
        for _ in range(int(self.np_random.integers(3))):
            pixels = self.np_random.integers(0, 256, (*self.frame_size, 3), np.uint8)
            blocks += [text_block(_TEXT.sample()), picture_block(pixels, self.dialect)]
        return {"role": "user", "content": [*blocks, text_block(_TEXT.sample())]}


@batch_differing_spaces.register(ChatSpace)
def _batch_differing(spaces: Sequence[ChatSpace]) -> gym.spaces.Tuple[Any]:  # type: ignore[misc]
    """Return the space of a tuple of conversations, one for each environment."""
    return gym.spaces.Tuple(
        [deepcopy(space) for space in spaces], seed=deepcopy(spaces[0].np_random)
    )


@create_zero_array.register(ChatSpace)
def _zero(space: ChatSpace) -> list[Message]:  # type: ignore[misc]
    """Return the shortest conversation."""
    return [{"role": "user", "content": []}]


def checked_dialect(dialect: Dialect) -> Dialect:
    """Return `dialect`.

    Raises:
        ValueError: if it is another.
    """
    if dialect not in ("transformers", "openai"):
        raise ValueError(f"the format must be 'transformers' or 'openai', got {dialect!r}")
    return dialect


def plain_message(role: str, text: str, dialect: Dialect) -> Message:
    """Return a message of text alone, as the system and the assistant write them."""
    return {"role": role, "content": text if dialect == "openai" else [text_block(text)]}


def text_block(text: str) -> Block:
    """Return a block of text."""
    return {"type": "text", "text": text}


def picture_block(pixels: NDArray[np.uint8], dialect: Dialect, encoding: Encoding = "png") -> Block:
    """Return a block with one picture, from uint8 `(H, W, 3)`; `encoding` is for data URLs."""
    if dialect == "transformers":
        return {"type": "image", "image": Image.fromarray(pixels)}
    return url_block(encoded_picture(pixels, encoding), encoding)


def encoded_picture(pixels: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Return the file of a picture, from uint8 `(H, W, 3)`."""
    buffer = io.BytesIO()
    quality = {"quality": _JPEG_QUALITY} if encoding == "jpeg" else {}
    Image.fromarray(pixels).save(buffer, encoding, **quality)
    return buffer.getvalue()


def url_block(file: bytes, encoding: Encoding) -> Block:
    """Return a block with the file of one picture as a data URL."""
    data = base64.b64encode(file).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/{encoding};base64,{data}"}}


def _is_record(x: Any, *keys: str) -> bool:
    return isinstance(x, dict) and set(x) == set(keys)


def _is_text(x: Any) -> bool:
    return _is_record(x, "type", "text") and x["type"] == "text" and _TEXT.contains(x["text"])


def _is_data_url(x: Any) -> bool:
    is_text = _is_record(x, "url") and isinstance(x["url"], str)
    return is_text and _URL.fullmatch(x["url"]) is not None
