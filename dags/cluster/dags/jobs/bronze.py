"""Copies the tables of the shop from PostgreSQL into bronze tables of the lake, each whole and in one commit."""
import argparse
import os

from pyspark.sql import SparkSession

TABLES = ["orders", "order_details", "products", "categories", "customers", "employees"]

parser = argparse.ArgumentParser()
parser.add_argument("--jdbc-url", required=True)
parser.add_argument("--user", required=True)
parser.add_argument("--catalog", default="lake", help="the catalog of Iceberg, as Spark's configuration names it")
options = parser.parse_args()

spark = SparkSession.builder.appName("bronze").getOrCreate()
spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {options.catalog}.bronze")
for table in TABLES:
    rows = (
        spark.read.format("jdbc")
        .option("url", options.jdbc_url)
        # a driver that comes with `packages` or `jars` is found by its name only
        .option("driver", "org.postgresql.Driver")
        .option("dbtable", f"public.{table}")
        .option("user", options.user)
        # from the environment, so that it stands in no command line
        .option("password", os.environ["SHOP_DB_PASSWORD"])
        .load()
    )
    # replacing the whole table makes a retry harmless: twice is the same as once
    rows.writeTo(f"{options.catalog}.bronze.{table}").using("iceberg").createOrReplace()
    print(f"bronze.{table}: {spark.table(f'{options.catalog}.bronze.{table}').count()} rows")
spark.stop()
