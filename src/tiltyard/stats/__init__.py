"""How sure am I? Intervals, comparisons, trends and knees: plain Python, and numpy where there is much to do.

A leaf: everybody may import it, it imports only `records`. Nothing here prints, stores or draws.
"""
