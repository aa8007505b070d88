"""The command line: parses and prints, nothing else.

Heavy imports stand inside the commands, so that --help is quick.
"""
