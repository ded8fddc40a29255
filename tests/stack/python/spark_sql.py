"""A Spark session that runs one statement a line: JSON texts come in on stdin, JSON answers leave by file descriptor 3.
An object instead of a text deletes rows by equality, see equality_deletes.py.

An answer is {"rows": [[...], ...]} or {"error": "..."}; decimals, dates and the like are given as texts.
"""
import json
import os
import sys

from equality_deletes import delete_equal
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.appName("sluice tests")
    .config("spark.sql.session.timeZone", "UTC")
    # what others commit is seen at once, not half a minute later
    .config("spark.sql.catalog.lake.cache-enabled", "false")
    .getOrCreate()
)
answers = os.fdopen(3, "w")


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def answer(statement):
    try:
        if isinstance(statement, dict):
            delete_equal(spark, **statement)
            return {"rows": []}
        return {"rows": [plain(tuple(row)) for row in spark.sql(statement).collect()]}
    except Exception as error:
        return {"error": str(error)[:2000]}


answers.write("{}\n")
answers.flush()
for line in sys.stdin:
    answers.write(json.dumps(answer(json.loads(line))) + "\n")
    answers.flush()
spark.stop()
