"""Costs that others publish or assume, by name, each with its source and with what it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from backtester.portfolio.settings import Costs


class CostPreset(NamedTuple):
    """Costs with what they stand for, where the numbers are from, and what is not in them."""

    costs: Costs
    stands_for: str
    source: str
    leaves_out: str


COST_PRESETS: Mapping[str, CostPreset] = MappingProxyType(
    {
        "free": CostPreset(
            Costs(commission_bps=0.0, slippage_bps=0.0, borrow_rate=0.0, debit_rate=0.0),
            "no costs at all, as papers on raw signals have it",
            "none needed",
            "everything: commissions, taxes, fees, spread, impact, borrow fees and interest",
        ),
        "us_retail_fixed": CostPreset(
            Costs(commission_bps=0.0, commission_per_share=0.005, commission_min=1.0, commission_max_bps=100.0),
            "the fixed schedule of a large US broker for stocks: 0.005 USD a share, at least 1 USD and at most 1 % of "
            "the value of an order",
            "Interactive Brokers, commissions on US stocks, IBKR Pro fixed, "
            "https://www.interactivebrokers.com/en/pricing/commissions-stocks.php",
            "fees of regulators on sales; slippage (5 basis points), borrow fees and interest are this package's "
            "defaults, not the broker's; the minimum for fractional shares is lower",
        ),
        "us_retail_tiered": CostPreset(
            Costs(commission_bps=0.0, commission_per_share=0.0035, commission_min=0.35, commission_max_bps=100.0),
            "the tiered schedule of the same broker at its first tier, up to 300,000 shares a month: 0.0035 USD a "
            "share, at least 0.35 USD and at most 1 % of the value of an order",
            "Interactive Brokers, commissions on US stocks, IBKR Pro tiered, "
            "https://www.interactivebrokers.com/en/pricing/commissions-stocks.php",
            "fees and rebates of exchanges, clearing and regulators, which are charged on top of this schedule; lower "
            "rates beyond 300,000 shares a month; slippage (5 basis points), borrow fees and interest are this "
            "package's defaults, not the broker's",
        ),
        "zipline": CostPreset(
            Costs(commission_bps=0.0, commission_per_share=0.001, slippage_bps=5.0, borrow_rate=0.0, debit_rate=0.0),
            "what zipline assumes for US stocks unless told otherwise: 0.001 USD a share, 5 basis points of slippage",
            "zipline-reloaded, zipline/finance/commission.py (DEFAULT_PER_SHARE_COST) and zipline/finance/slippage.py "
            "(FixedBasisPointsSlippage)",
            "how it fills, at a bar's close and at most 10 % of that bar's own volume: set Execution(fill='close', "
            "volume_cap=0.1, cap_on='session'); taxes, fees of regulators, impact, borrow fees and interest, "
            "which its defaults do not have",
        ),
        "qlib": CostPreset(
            Costs(commission_bps=20.0, commission_min=5.0, slippage_bps=0.0, borrow_rate=0.0, debit_rate=0.0),
            "what qlib assumes unless told otherwise, for Chinese stocks: 0.15 % on purchases and 0.25 % on sales, "
            "here 0.2 % on both, at least 5 an order",
            "qlib, qlib/backtest/exchange.py (open_cost, close_cost, min_cost, impact_cost) and qlib/config.py (region "
            "cn: deal_price, trade_unit, limit_threshold)",
            "the difference between purchases and sales: what is bought and sold again costs the same; its deals at "
            "the close in units of 100 shares: set Execution(fill='close', lot=100); its price limits of 9.5 %; spread "
            "and impact, which qlib has off by default, borrow fees and interest",
        ),
    }
)
