"""What do I hand over? Words, charts, the HTML report, the terminal's tables, exports and bundles.

Readers of what was measured: nothing here measures, judges or stores.
"""
