"""Writes a table with delta-rs as another team's job would: a first version, an append, a delete and a checkpoint."""
import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

path = sys.argv[1]
first = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "day": ["mon", "tue", "tue"], "amount": [1.5, 2.5, None]})
write_deltalake(path, first, partition_by=["day"])
write_deltalake(path, pa.table({"id": pa.array([4], pa.int64()), "day": ["wed"], "amount": [4.5]}), mode="append")
table = DeltaTable(path)
table.delete("id = 1")
table.create_checkpoint()
