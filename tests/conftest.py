import os

from hypothesis import settings

# The machines are shared: the same examples each time, and no judgement by the clock.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
# What a test computes is not to come from a cache of the user's.
os.environ["QCONVERT_CACHE"] = "off"
