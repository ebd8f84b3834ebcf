"""The torture run: `make torture`. Every way we know to make a log lose or lie, tried by the thousand, and counted.

Law: nothing in here is a test by itself. Sections make jobs, jobs give rows, the table adds them up; a row with a fault
names what to paste into a test to see it again.
"""
