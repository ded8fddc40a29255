"""Deletes rows of an Iceberg table by equality, as streaming engines do: with Iceberg's own writers, since no SQL makes such deletes."""


def each(iterable):
    rows = iterable.iterator()
    while rows.hasNext():
        yield rows.next()


def delete_equal(spark, table, like, columns, spec=None):
    """One commit that deletes the rows which equal a row of the table `like` in some columns.

    `like` has the columns of `table`; each of its rows becomes a delete file in the partition that the row belongs to,
    by the spec of the given number (the table's own one without).
    """
    jvm = spark._jvm
    iceberg = jvm.org.apache.iceberg

    def load(name):
        return iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, name)

    target, source = load(table), load(like)
    schema = target.schema()
    partitions = target.spec() if spec is None else target.specs().get(spec)
    ids = spark.sparkContext._gateway.new_array(jvm.int, len(columns))
    for place, column in enumerate(columns):
        ids[place] = schema.findField(column).fieldId()
    parquet = iceberg.FileFormat.PARQUET
    writers = (
        iceberg.data.GenericFileWriterFactory.Builder(target)
        .deleteFileFormat(parquet)
        .equalityFieldIds(ids)
        .equalityDeleteRowSchema(schema.select(columns))
        .build()
    )
    files = iceberg.io.OutputFileFactory.builderFor(target, 1, 1).format(parquet).build()
    commit = target.newRowDelta()
    rows = each(iceberg.data.IcebergGenerics.read(source).build())
    values = each(iceberg.data.IcebergGenerics.read(source).select(columns).build())
    for row, value in zip(rows, values, strict=True):
        key = None
        if partitions.isPartitioned():
            key = iceberg.PartitionKey(partitions, schema)
            key.partition(iceberg.data.InternalRecordWrapper(schema.asStruct()).wrap(row))
        writer = writers.newEqualityDeleteWriter(files.newOutputFile(partitions, key), partitions, key)
        writer.write(value)
        writer.close()
        commit.addDeletes(writer.toDeleteFile())
    commit.commit()
