"""Asks for the words of a text again and again, on one connection, and says which replicas answered."""

import os
import time
from collections import Counter

import grpc

with grpc.insecure_channel(os.environ["WORDS_ADDR"]) as channel:
    count = channel.unary_unary("/demo.Words/Count")
    split = channel.unary_stream("/demo.Words/Split")
    while True:
        answers = Counter(count(b"every replica in turn", timeout=1).decode().split()[1] for _ in range(30))
        words = b" ".join(split(b"one word after the other", timeout=1)).decode()
        print(f"{len(answers)} replicas, {sorted(answers.values())} calls; streamed: {words}", flush=True)
        time.sleep(1)
