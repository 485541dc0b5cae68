"""Every run of the suite has its accounts checked, and what its sides and round trips earned, whatever it is about."""

from __future__ import annotations

from pathlib import Path

import pytest
from accounting import check_accounts
from attribution import check_attribution
from command_line import CONFIG

from backtester.run import Simulation


@pytest.fixture(autouse=True)
def law_6(monkeypatch):
    """Check the accounts of every finished run."""
    finish = Simulation.finish

    def checked(self, name=None):
        result = finish(self, name)
        check_accounts(self.panel, result, self.costs)
        check_attribution(result)
        return result

    monkeypatch.setattr(Simulation, "finish", checked)


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user(tmp_path_factory):
    """Keep panels and scores of the suite out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKTESTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def one_thread():
    """Models as small as those of the tests wait for each other's threads longer than they learn."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache for a test."""
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """An empty current folder for a test, with a config."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(CONFIG)
