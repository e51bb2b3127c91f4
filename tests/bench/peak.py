"""peak.py FOLDER COMMAND...: runs the command and leaves its peak resident bytes in a file of the folder."""
import os
import pathlib
import sys

child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
pathlib.Path(sys.argv[1], str(os.getpid())).write_text(str(usage.ru_maxrss * 1024))
sys.exit(os.waitstatus_to_exitcode(status))
