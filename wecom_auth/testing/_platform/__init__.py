"""The fake platform itself: it knows tokens, calls and trouble, and nothing of what carries them.

`flow` leads one request through it, `facts` holds what the vendor documents, as data. The fronts
(HTTP, each HTTP client in this process) are outside and call `Flow.handle`.
"""
