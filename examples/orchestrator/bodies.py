"""What a client may send, checked and bounded."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

LONGEST_MESSAGE = 8_000
LARGEST_BODY = 64 * 1024

SessionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Message = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_MESSAGE)]


class ChatBody(BaseModel):
    """A message of a session."""

    model_config = ConfigDict(extra="forbid", strict=True)

    session_id: SessionId
    message: Message
