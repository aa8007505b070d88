"""The JSON documents of the program, written out key by key: each key is a contract, whatever a field is called.

One module a subject; every function returns what `json.dumps` takes, times in ISO 8601, durations in seconds.
"""
