# SPDX-License-Identifier: Apache-2.0
"""The short version of the crash campaign; tests/soak.sh runs the long one."""
import json
import os
import random

import pytest

from campaign import Campaign
from harness import b64url, part_of, wait_until

# Another one every time, unless it is given: what fails can be repeated.
SEED = int(os.environ.get("SSF_SEED") or random.randrange(1 << 31))


@pytest.fixture(scope="module")
def quiet(tls):
    """A campaign without any fault, finished."""
    campaign = Campaign(tls, 0)
    try:
        wait_until(lambda: len(campaign.sources.accepted) > 20)
        campaign.finish()
        campaign.patience = 0
        yield campaign
    finally:
        campaign.close()


@pytest.mark.parametrize("how, rounds", [
    ({}, 5), ({"external": True}, 4), ({"hubs": 2, "processes": 2}, 4),
], ids=["private", "external", "two-hubs"])
def test_b5_nothing_accepted_is_lost_whatever_is_killed(tls, how, rounds):
    """Hub, PostgreSQL, receivers, connections: accepted minus received is nothing, subjects keep
    their order, and what comes twice is the same SET and has its fault."""
    campaign = Campaign(tls, SEED, **how)
    try:
        campaign.run(rounds)
        found = campaign.finish()
        print(campaign.story(), found)
    except AssertionError as e:
        raise AssertionError(f"SSF_SEED={SEED}: {e}: {campaign.story()}: {campaign.keep()}") from e
    finally:
        campaign.close()
    assert found["accepted"] > 10 * rounds / 2
    assert found["receipts"] == 3 * found["events"] + found["duplicates"]


def lose(lines):
    del lines[0]


def swap(lines):
    """The two first of one subject, each at the moment of the other."""
    said = [part_of(line.split()[1], 1)["sub_id"] for line in lines]
    other = said.index(said[0], 1)
    lines[0], lines[other] = lines[other], lines[0]


def repeat(lines):
    when, token = lines[0].split()
    lines.append(f"{int(when) + 10**12} {token}")


def say_something_else(lines):
    """Under a jti that was there."""
    when, token = lines[0].split()
    head, payload, signature = token.split(".")
    claims = {**part_of(token, 1), "txn": part_of(lines[1].split()[1], 1)["txn"]}
    lines.append(f"{when} {head}.{b64url(json.dumps(claims).encode())}.{signature}")


@pytest.mark.parametrize("spoil, complaint", [
    (lose, "accepted minus received is 1"), (swap, "came as"),
    (repeat, "duplicates without a fault"), (say_something_else, "two things said under it"),
])
def test_the_campaign_sees_what_is_wrong(quiet, spoil, complaint):
    """Its checks can fail: a journal is spoilt, and it says so."""
    receiver = quiet.receivers[0]
    before = receiver.journal.read_text()
    lines = before.splitlines()
    spoil(lines)
    receiver.journal.write_text("".join(line + "\n" for line in lines))
    try:
        with pytest.raises(AssertionError, match=complaint):
            quiet.check()
    finally:
        receiver.journal.write_text(before)
