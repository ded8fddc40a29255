"""Runs the script named first with the arguments after it, and ends the process as soon as the script has.

Arrow's threads may still run when the interpreter tears itself down, and then abort a process whose work is done (apache/arrow#34314).
What the script printed is flushed and its exit code kept; a script that fails still fails, with its traceback.
"""
import os
import runpy
import sys
import traceback

sys.argv = sys.argv[1:]
code = 0
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as leaving:
    code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
except BaseException:
    traceback.print_exc()
    code = 1
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
