"""How sure am I? Intervals, comparisons, trends and knees, in the standard library alone.

A leaf: everybody may import it, it imports only `records`. Nothing here prints, stores or draws.
"""
