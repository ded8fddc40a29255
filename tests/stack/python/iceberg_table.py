"""Works on an Iceberg table with pyiceberg, through the catalog in PostgreSQL; addresses come from the environment.

`iceberg_table.py read TABLE ORDER` prints its rows and snapshots, `iceberg_table.py append TABLE JSON` adds rows,
`iceberg_table.py delete TABLE FILTER` deletes some, `iceberg_table.py import TABLE JSON` adds them as a file without ids, `iceberg_table.py create TABLE JSON` makes it of rows,
`iceberg_table.py properties TABLE JSON` sets properties of the table.
"""
import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

url = os.environ["ICEBERG_JDBC_URL"].removeprefix("jdbc:postgresql://")
catalog = SqlCatalog(
    os.environ["ICEBERG_CATALOG"],
    uri=f"postgresql+psycopg2://{os.environ['PGUSER']}:{os.environ['PGPASSWORD']}@{url}",
    warehouse=os.environ["LAKE_WAREHOUSE"],
    init_catalog_tables="false",
    **{
        "s3.endpoint": os.environ["S3_ENDPOINT"],
        "s3.access-key-id": os.environ["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "s3.region": os.environ.get("S3_REGION", "us-east-1"),
    },
)
command, name, argument = sys.argv[1:4]
if command == "create":
    rows = pa.Table.from_pylist(json.loads(argument))
    catalog.create_table(name, schema=rows.schema).append(rows)
    sys.exit()
table = catalog.load_table(name)
if command == "append":
    table.append(pa.Table.from_pylist(json.loads(argument), schema=table.schema().as_arrow()))
elif command == "import":
    path = f"{table.location()}/data/imported.parquet"
    with table.io.new_output(path).create() as file:
        pq.write_table(pa.Table.from_pylist(json.loads(argument)), file)
    table.add_files([path])
elif command == "properties":
    table.transaction().set_properties(json.loads(argument)).commit_transaction()
elif command == "delete":
    table.delete(argument)
else:
    rows = table.scan().to_arrow().sort_by([(column, "ascending") for column in argument.split(",")]).to_pylist()
    snapshots = [snapshot.summary.additional_properties for snapshot in table.metadata.snapshots]
    facts = {"version": table.metadata.last_sequence_number, "rows": rows, "snapshots": snapshots}
    print(json.dumps(facts, default=str))
