"""Settings of a run, and the numbers that the kernel reads them as."""
