"""Run a command; say its seconds and peak memory (kB or bytes, as the system counts) and its status as JSON.

A small process between the bench and the command: a child's peak counts the memory of whoever forked it.
"""

import json
import os
import sys
import time

began = time.perf_counter()
pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "peak": usage.ru_maxrss, "status": os.waitstatus_to_exitcode(status)}))
