"""Every run of the suite has its accounts checked, and what its sides and round trips earned, whatever it is about."""

from __future__ import annotations

import pytest
from accounting import check_accounts
from attribution import check_attribution

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
