"""A token: its deadlines, its age on two clocks, and itself as text in a store."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from wecom_auth._credential.exchange import Grant
from wecom_auth._credential.token import from_record, issue, repeated, to_record

VALUE = "kGk3ZqbIdUeT1Xx-a-token"
NOW, WALL = 5_000.0, 1_700_000_000.0


def record(**changes: Any) -> str:
    said = {"access_token": VALUE, "obtained_at": WALL, "expires_at": WALL + 7200, **changes}
    return json.dumps(said)


@pytest.mark.parametrize("life", [1, 6, 60, 600, 7200])
def test_the_margins_scale(life: float):
    for _ in range(100):
        token = issue(Grant(VALUE, life), NOW, WALL)
        assert 0 < 0.70 * life <= token._soft <= 0.80 * life < token._hard < life
        assert life - token._hard <= 60
    assert token.age(NOW, WALL) == 0


@pytest.mark.parametrize(
    ("by_clock", "by_wall", "age"), [(10, 10, 10), (10, 500, 500), (10, -500, 10), (0, 7200, 7200)]
)
def test_the_clock_that_is_further_along_decides(by_clock: float, by_wall: float, age: float):
    token = issue(Grant(VALUE, 7200.0), NOW, WALL)
    assert token.age(NOW + by_clock, WALL + by_wall) == age


def test_neither_str_nor_repr_shows_it():
    token = issue(Grant(VALUE, 7200.0), NOW, WALL)
    for shown in (str(token), repr(token), f"{token}", repr([token]), repr({"token": token})):
        assert VALUE not in shown
    assert repr(token) == "<Token kGk3... (23 characters)>"


def test_it_is_a_value():
    token = issue(Grant(VALUE, 7200.0), NOW, WALL)
    assert pickle.loads(pickle.dumps(token)) == token
    assert hash(pickle.loads(pickle.dumps(token))) == hash(token)
    with pytest.raises(FrozenInstanceError):
        token.value = "other"  # type: ignore[misc]
    assert bool(token)


def test_a_record_and_back():
    issued = issue(Grant(VALUE, 7200.0), NOW, WALL)
    text = to_record(issued, NOW, WALL)
    assert json.loads(text) == {
        "access_token": VALUE,
        "obtained_at": WALL,
        "expires_at": WALL + 7200,
        "refresh_at": round(WALL + issued._soft, 3),
    }
    token = from_record(text, NOW, WALL + 100)
    assert token is not None
    assert token.value == VALUE
    assert token.age(NOW, WALL + 100) == 100
    assert token._hard == 7140
    assert token._soft == pytest.approx(issued._soft, abs=0.001)
    assert not token.repeats


def test_a_record_says_that_the_platform_repeats_the_token():
    text = to_record(repeated(issue(Grant(VALUE, 7200.0), NOW, WALL)), NOW, WALL)
    token = from_record(text, NOW, WALL + 100)
    assert token is not None
    assert token.repeats
    assert token._soft == token._hard == 7199


@pytest.mark.parametrize("when", ["soon", None, [], True, 0, -1, float("nan"), 10**400, WALL + 1e9])
def test_a_refresh_at_of_which_no_sense_can_be_made_is_drawn(when: Any):
    token = from_record(record(refresh_at=when), NOW, WALL)
    assert token is not None
    assert 0.70 * 7200 <= token._soft <= 0.80 * 7200


@pytest.mark.parametrize("skew", [-300, -3600, -86400])
def test_a_writer_whose_clock_is_ahead(skew: float):
    token = from_record(record(), NOW, WALL + skew)
    assert token is not None
    assert token.age(NOW, WALL + skew) == 0


@pytest.mark.parametrize("age", [7199, 7200, 86400])
def test_one_that_has_ended_is_none(age: float):
    assert from_record(record(), NOW, WALL + age) is None


def test_a_life_that_is_too_long_is_cut():
    token = from_record(record(expires_at=WALL + 10**9), NOW, WALL)
    assert token is not None
    assert token._hard == 7140


@pytest.mark.parametrize(
    "text",
    ["", "token", "null", "[]", "7", '"text"', "{}", "{", "[" * 100_000]
    + [record(access_token=bad) for bad in (None, "", 7, [VALUE], {"a": 1})]
    + [record(obtained_at=bad) for bad in (None, "soon", [], float("nan"), 10**400, 1e999)]
    + [record(expires_at=bad) for bad in (None, "soon", [], float("nan"), 10**400, WALL, WALL - 1)]
    + ['{"access_token": "t", "obtained_at": ' + "9" * 5000 + ', "expires_at": 1}'],
)
def test_what_is_no_token_is_none(text: str):
    assert from_record(text, NOW, WALL) is None


def test_extra_fields_of_another_writer_are_no_trouble():
    assert from_record(record(errcode=0, corpid="ww"), NOW, WALL) is not None
