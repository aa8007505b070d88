"""Rows of the sandbox's other resources: reviews, tasks, settings, money, people and reference data, and their table.

`kinds.KINDS` has a row for each; a new one is a row there and the functions that make its objects. Ids collide on
purpose: the review, the task and the charge of a stay have the same number, and so have the smaller kinds and listings.
"""
