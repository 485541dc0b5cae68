"""The command line: it reads files and options, calls the library, and prints."""
