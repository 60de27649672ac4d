import os
from unittest import mock

import pytest

from support.ray_cluster import Cluster


@pytest.fixture(scope="package")
def cluster():
    """Two nodes, for all tests."""
    made = Cluster()
    made.start_node()
    yield made
    made.stop()


@pytest.fixture
def start(cluster, start_daemon):
    """Starts daemons whose workers are on the cluster's nodes."""
    with mock.patch.dict(os.environ, cluster.environment()):
        yield lambda **options: start_daemon(**{"pool": cluster.pool} | options)
