"""Every run of the suite is checked against law 6, whatever its test is about."""

from __future__ import annotations

import pytest
from accounting import check_accounts

from backtester.run import Simulation


@pytest.fixture(autouse=True)
def law_6(monkeypatch):
    """Check the accounts of every finished run."""
    finish = Simulation.finish

    def checked(self, name=None):
        result = finish(self, name)
        check_accounts(self.panel, result, self.costs)
        return result

    monkeypatch.setattr(Simulation, "finish", checked)
