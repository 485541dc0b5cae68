"""The training of stacks of networks: data, steps, what is best, files."""
