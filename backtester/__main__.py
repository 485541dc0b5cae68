"""``python -m backtester``."""

from backtester.cli.app import main

if __name__ == "__main__":
    main()
