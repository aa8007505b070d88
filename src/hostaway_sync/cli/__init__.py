"""Commands: parse the arguments, call `app`, print.

Heavy imports stand inside the commands, so that --help is quick.
"""
