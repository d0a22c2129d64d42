"""Floor 2: the only place of request bytes: heads, codecs, exchange, listeners, pools, timer wheel."""
