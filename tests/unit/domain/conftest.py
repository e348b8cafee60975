from hypothesis import settings

# How long one example takes depends on the machine, not on the rule that it tries.
settings.register_profile("dialerd", deadline=None)
settings.load_profile("dialerd")
