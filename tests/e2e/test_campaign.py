# SPDX-License-Identifier: Apache-2.0
"""The short version of the crash campaign; tests/soak.sh runs the long one."""
import os
import random

import pytest

from campaign import Campaign

# Another one every time, unless it is given: what fails can be repeated.
SEED = int(os.environ.get("SSF_SEED") or random.randrange(1 << 31))


@pytest.mark.parametrize("external, rounds", [(False, 5), (True, 5)], ids=["private", "external"])
def test_b5_nothing_accepted_is_lost_whatever_is_killed(tls, external, rounds):
    """Hub, PostgreSQL, receivers, connections: accepted minus received is nothing, subjects keep
    their order, and what comes twice is the same SET and has its fault."""
    campaign = Campaign(tls, SEED, external=external)
    try:
        campaign.run(rounds)
        found = campaign.finish()
    except AssertionError as e:
        raise AssertionError(f"SSF_SEED={SEED}: {campaign.story()}: {e}") from e
    finally:
        campaign.close()
    print(campaign.story(), found)
    assert found["accepted"] > 10 * rounds / 2
    assert found["receipts"] == 3 * found["events"] + found["duplicates"]
