"""Tokens: whole, of this version, and the same text on every machine; what is not, is told in one line."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import timedelta
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.files.token import PREFIX, Token, read_token
from durable_sim.version import __version__
from durable_sim.world.faults import (
    CALL_FAULTS,
    Cancel,
    Crash,
    Crashes,
    Deploy,
    Deploys,
    Fault,
    Pause,
    Script,
    ServerRestart,
)

FAULTS: tuple[Fault, ...] = (
    Crash(after="effect_applied", of="payments.charge", execution="o-1", nth=2),
    Crash(at="1h30m", worker="w2", restart_after="0s"),
    Crash(after_record=0),
    Pause(at="1s", lasts="3m"),
    Deploy(at="1s", version="next", grace="5s", rolling=False, downtime="2s"),
    ServerRestart(after="timer_fired", downtime="1s"),
    Cancel(at="1s", target="o-1"),
    Crashes(every="1s", until="1m", start="2s", restart_after="3s"),
    Deploys(every="1s", until="1m"),
    *(Script("payments", "charge", 3, fault, execution="o-1") for fault in CALL_FAULTS),
    Script("payments", "charge", 1, "late_effect", late_by="1h"),
)


def token_of(*faults: Fault, **settings: Any) -> Token:
    """A token of some run."""
    given = {"model": "replay", "seed": 7, "executions": 1, "scenario": "0123456789ab", "trace": "ba9876543210"}
    return Token(faults=faults, **given | settings)


def packed(content: bytes, checksum: int | None = None) -> str:
    """A token of some content."""
    crc = zlib.crc32(content) if checksum is None else checksum
    return PREFIX + base64.urlsafe_b64encode(crc.to_bytes(4) + content).decode().rstrip("=")


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_token_is_read_back_as_it_was(fault: Fault) -> None:
    """For every kind of fault, and with every setting."""
    token = token_of(fault)
    assert read_token(str(token)) == token and read_token(f"  {token}\n").faults == (fault,)


def test_all_settings_are_read_back() -> None:
    """Several faults, all executions, a source, and changes over it."""
    token = token_of(*FAULTS, executions=None, seed=-(2**70), source="a b/c.toml", changes=("x=ü",), model="steps")
    assert read_token(str(token)) == token


def test_a_timedelta_is_written_as_the_text_that_means_it() -> None:
    """Equal content gives equal text."""
    spans = token_of(Crash(at=timedelta(seconds=1), restart_after=timedelta(hours=1.5)))
    assert str(spans) == str(token_of(Crash(at="1s", restart_after="1h30m")))
    assert read_token(str(spans)).faults == (Crash(at="1s", restart_after="1h30m"),)


def test_the_text_is_the_same_on_every_machine() -> None:
    """Pinned: what was written down yesterday is read tomorrow, as long as the version is the same."""
    token = token_of(Crash(after="effect_applied", of="payments.charge", execution="o-1"), version="0.1.0")
    assert str(token) == PINNED


PINNED = (
    "ds1-qguBJ3sibW9kZWwiOiJyZXBsYXkiLCJzZWVkIjo3LCJleGVjdXRpb25zIjoxLCJzY2VuYXJpbyI6IjAxMjM0NTY3ODlhYiIs"
    "InRyYWNlIjoiYmE5ODc2NTQzMjEwIiwiZmF1bHRzIjpbeyJhZnRlciI6ImVmZmVjdF9hcHBsaWVkIiwib2YiOiJwYXltZW50cy5j"
    "aGFyZ2UiLCJleGVjdXRpb24iOiJvLTEiLCJraW5kIjoiY3Jhc2gifV0sInZlcnNpb24iOiIwLjEuMCJ9"
)


def test_a_token_is_safe_in_a_shell() -> None:
    """Letters, digits, hyphens and underscores."""
    text = str(token_of(*FAULTS, changes=("parameters.keys=false", "$(rm)")))
    assert text.startswith("ds1-") and text.replace("-", "").replace("_", "").isalnum() and text.isascii()


@pytest.mark.parametrize("text", ["", "ds1", "ds2-abc", "hello"])
def test_what_is_no_token_is_refused(text: str) -> None:
    """With what is expected."""
    with pytest.raises(UserError) as refused:
        read_token(text)
    assert str(refused.value) == f"token {text}...: expected 'ds1-' at its beginning; copy it as a whole"


@pytest.mark.parametrize("cut", [4, 5, 6, 8, 40, -1, -2, -7])
def test_a_token_that_is_cut_off_is_refused(cut: int) -> None:
    """Wherever it was cut."""
    text = str(token_of(Crash(at="1s")))[:cut]
    with pytest.raises(UserError) as refused:
        read_token(text)
    assert str(refused.value) == f"token {text[:16]}...: it is cut off or changed; copy it as a whole"


@pytest.mark.parametrize("place", range(4, 120, 9))
def test_a_token_with_another_letter_is_refused(place: int) -> None:
    """A checksum stands in front."""
    text = str(token_of(Crash(at="1s")))
    changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    with pytest.raises(UserError, match="it is cut off or changed"):
        read_token(changed)


@pytest.mark.parametrize("content", [b"[1,2]", b'"text"', b"\xff\xfe", b"{", b""])
def test_whole_text_that_is_no_object_is_refused(content: bytes) -> None:
    """Even with the right checksum."""
    with pytest.raises(UserError, match="it is cut off or changed"):
        read_token(packed(content))


@pytest.mark.parametrize("extra", ["!", " ", "%", "ü", "\n"])
def test_letters_that_no_token_has_are_refused(extra: str) -> None:
    """None is skipped silently."""
    text = str(token_of())
    with pytest.raises(UserError, match="it is cut off or changed"):
        read_token(text[:20] + extra + text[20:])


def test_a_token_of_another_version_is_refused() -> None:
    """It says which version can read it."""
    with pytest.raises(UserError) as refused:
        read_token(str(token_of(version="0.0.9")))
    assert str(refused.value).endswith(
        f"...: it is from durable_sim 0.0.9, this is {__version__}; install that, or search again"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "7"},
        {"faults": [{"kind": "no such"}]},
        {"faults": [{"kind": "crash"}]},
        {"faults": [{"kind": "crash", "at": "soon"}]},
        {"more": 1},
        {"model": None},
    ],
)
def test_content_that_means_nothing_is_told_in_one_line(change: dict[str, Any]) -> None:
    """A token is data, and is checked like any other."""
    plain = json.loads(base64.urlsafe_b64decode(str(token_of()).removeprefix(PREFIX) + "==")[4:])
    with pytest.raises(UserError, match="it does not say what to run: ") as refused:
        read_token(packed(json.dumps(plain | change).encode()))
    assert "\n" not in str(refused.value)
