from hypothesis import settings

# The machines are shared: the same examples each time, and no judgement by the clock.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
