"""Every figure of a bench's page in a line, with where its definition comes from."""

from __future__ import annotations

GLOSSARY = (
    (
        "Net, gross",
        "Returns of a session after all costs charged; gross is what prices and dividends brought, before commission, "
        "slippage, borrow fees and interest.",
    ),
    (
        "Sharpe ratio",
        "Mean over standard deviation of the daily returns, times the root of 252; no rate without risk is taken off. "
        "Sharpe (1994), The Sharpe ratio.",
    ),
    ("CAGR", "The yearly growth that leads from the start to the end of the window, a year of 252 sessions."),
    ("Max drawdown", "The deepest fall below an earlier peak, as a fraction of that peak."),
    (
        "Turnover a year",
        "Half of all that is bought and sold, over equity: 1 replaces a book of gross exposure 1 once a year.",
    ),
    (
        "Interval of a Sharpe ratio",
        "Stationary bootstrap: sessions drawn anew in blocks of random length. Politis and Romano (1994), The "
        "stationary bootstrap; mean length after Politis and White (2004), corrected by Patton and others (2009).",
    ),
    (
        "Rank IC",
        "Information coefficient: the correlation, over symbols, of the ranks of the scores with the ranks of the "
        "returns that followed, a session; the mean of these. Spearman (1904); Grinold and Kahn (2000), Active "
        "Portfolio Management. Pearson's is of the values themselves.",
    ),
    (
        "Standard error of an IC",
        "Holds for ICs of nearby sessions that depend on each other. Newey and West (1987), A simple, positive "
        "semi-definite, heteroskedasticity and autocorrelation consistent covariance matrix.",
    ),
    ("IR", "Mean over standard deviation of the daily ICs, of a session and not annualised. Grinold and Kahn (2000)."),
    (
        "Quantiles, spread",
        "Symbols in groups by score, equal weights made anew in every session, before costs; spread is the highest "
        "less the lowest.",
    ),
    (
        "Break-even, bps",
        "The cost, in basis points of what is traded, at which nothing of the gross gain is left (below 0: it lost "
        "before any); compare it with what trading costs you.",
    ),
    (
        "Placebos as good",
        "The share of random scores, as persistent as the variant's and so with its turnover, whose Sharpe ratio, less "
        "what costs take from the variant's own, is at least as high: (1 + those) / (1 + all). After Theiler et al. "
        "(1992), Testing for nonlinearity in time series: the method of surrogate data, and Langsrud (2005), Rotation "
        "tests.",
    ),
    (
        "Seeds alone",
        "Networks that differ in their random start only, each traded by itself: a difference between variants that is "
        "smaller than that between seeds says little.",
    ),
    (
        "Probabilistic Sharpe ratio, minimum track record",
        "The probability that the true Sharpe ratio is above 0, given skewness and fat tails; and how many sessions it "
        "takes for that to reach 95 %. Bailey and Lopez de Prado (2012), The Sharpe ratio efficient frontier.",
    ),
    (
        "Deflated Sharpe ratio",
        "The same, against the Sharpe ratio that the best of all trials counted on this data would show by luck. "
        "Bailey and Lopez de Prado (2014), The deflated Sharpe ratio.",
    ),
    (
        "Probability of backtest overfitting",
        "How often the variant that is best in one half of the sessions is not above the middle of all in the other, "
        "over all ways to make halves of 16 blocks. The logit is log(w / (1 - w)) of its relative rank w there. "
        "Bailey, Borwein, Lopez de Prado and Zhu (2017), The probability of backtest overfitting.",
    ),
    (
        "White's p",
        "Reality check: the probability of so large a mean gain of the best variant if none were better. White (2000), "
        "A reality check for data snooping.",
    ),
    (
        "Hansen's p",
        "Superior predictive ability: the same with studentised gains, and without variants that are clearly worse; "
        "lower and upper are its bounds. Hansen (2005), A test for superior predictive ability.",
    ),
    (
        "p of a pair",
        "Two-sided: the probability of so large a difference of two entries if there were none, by the paired "
        "stationary bootstrap over the sessions that both know.",
    ),
    (
        "What each setting adds",
        "Least squares of the daily rank ICs on a dummy for each value of each option, against the base value; F tests "
        "all values of an option together. Errors of Newey and West, summed by session.",
    ),
    (
        "Capital at which half, or nothing, is left",
        "The run made again with more money under market impact that grows with the root of what is traded over the "
        "day's volume. Grinold and Kahn (2000); Almgren et al. (2005), Direct estimation of equity market impact.",
    ),
    (
        "Later signals, other lots",
        "The run made again with scores that arrive 1, 2 or 5 sessions late; and with fractions of shares or lots of "
        "100.",
    ),
    (
        "Without a year, without a sector",
        "The figures with a year's sessions left out; and the run made again without a sector's symbols.",
    ),
    (
        "By training epoch",
        "The mean rank IC, out of sample, of the scores that a training limited to so many epochs would have given; "
        "what an epoch adds is a coefficient as above, with the epoch as one more setting of every variant.",
    ),
    (
        "Learning curves",
        "Loss and IC after each epoch on the sessions that each fold keeps for validation; the weights never see them.",
    ),
)
