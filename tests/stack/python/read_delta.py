"""Reads a Delta table with delta-rs and prints it as JSON: version, rows, and how many tokens its log carries."""
import json
import sys

from deltalake import DeltaTable

path, order = sys.argv[1], sys.argv[2].split(",")
version = int(sys.argv[3]) if len(sys.argv) > 3 else None
table = DeltaTable(path, version=version)
rows = table.to_pyarrow_table().sort_by([(column, "ascending") for column in order]).to_pylist()
print(json.dumps({"version": table.version(), "rows": rows, "files": len(table.file_uris())}, default=str))
