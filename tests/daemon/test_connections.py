"""Connections of the front door: how many of whom stay, and who gives way."""

import asyncio
import os
import socket

import pytest

from ldrps_daemon.transport import peers
from ldrps_daemon.transport.connections import EXTRA, Connection, Connections
from support.daemon import environment


def connections(limit, group_limit, *, proved=True):
    """Connections, and a way to let one in that remembers who was cut off."""
    made, cut = Connections(limit, group_limit), []

    def come(group, calls=0, proved=proved):
        connection = Connection(
            f"{group} {len(made)}",
            group,
            lambda: cut.append(connection),
            proved=proved,
            calls=calls,
        )
        return connection if made.admit(connection) else None

    return made, cut, come


def test_one_party_does_not_take_the_place_of_others():
    async def main():
        made, cut, come = connections(100, 10)
        ours = come("us")
        crowd = [come("them") for _ in range(30)]
        assert cut == crowd[:20]
        assert len(made) == 11
        assert ours not in cut

    asyncio.run(main())


def test_strangers_push_out_only_strangers_and_of_the_largest_crowd():
    async def main():
        made, cut, come = connections(40, 40, proved=False)
        ours, new = come("us", proved=True), come("us")
        crowd = [come("them", calls=1) for _ in range(1000)]
        assert None not in crowd
        assert {connection.group for connection in cut} == {"them"}
        assert len(made) <= 1 + 40 // 4
        with new.calling(proves=True):
            pass
        assert new.proved
        assert not {ours, new} & set(cut)

    asyncio.run(main())


def test_beyond_the_limit_there_is_room_for_short_calls_alone():
    async def main():
        made, _, come = connections(5, 5)
        crowd = [come("us", calls=1) for _ in range(5)]
        extra = [come("us", calls=1) for _ in range(EXTRA)]
        assert None not in crowd + extra
        assert come("us", calls=1) is None
        assert all(made.lets_stay(connection) for connection in crowd)
        assert not any(made.lets_stay(connection) for connection in extra)
        for connection in crowd + extra[2:]:
            made.leave(connection)
        assert made.lets_stay(extra[0])

    asyncio.run(main())


def test_complaints_do_not_fill_the_log(caplog):
    made = Connections(1, 1)
    for _ in range(1000):
        made.complain("a connection was turned away")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("soft", [300, 700, 4096])
def test_descriptors_are_kept_for_the_rest(soft):
    """In a process of its own, whose limit cannot be raised."""
    import subprocess
    import sys

    code = (
        "import resource, sys; soft = int(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), soft))\n"
        "from ldrps_daemon.transport.connections import affordable; print(affordable(256))\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(soft)],
        capture_output=True, text=True, env=environment(), check=True,
    )  # fmt: skip
    count, limit = map(int, ran.stdout.split())
    assert (count == 256) == (soft == 4096)
    assert 1 <= count <= 256
    assert limit <= soft
    if soft > 300:
        assert 4 * (count + EXTRA) + 256 <= limit
    assert ("file descriptors" in ran.stderr) == (count < 256)


def test_strangers_on_tcp_are_known_by_their_user():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as theirs,
    ):
        assert peers.user_of(theirs) == os.geteuid()
        assert peers.peer_group(theirs) == f"127.0.0.1 user {os.geteuid()}"
