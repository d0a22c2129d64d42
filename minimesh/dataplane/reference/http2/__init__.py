"""HTTP/2 once more, on h2: clear rather than fast. The oracle of the fast codec, and its stand-in.

The library keeps the states of streams, both kinds of windows and the settings; hpack packs the fields, hyperframe the
frames. In front of it stands our own screen: what the library forgives, and what it ends a connection for where one
stream is enough, is looked for in each frame before the library sees it.
"""
