"""Prints the rows of ORC directories, sorted, as lines of CSV: show.py DIRECTORY..."""
import os
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
for path in sys.argv[1:]:
    rows = spark.read.orc(path if "://" in path else "file://" + os.path.abspath(path))
    print("%s: %s" % (path, ",".join(rows.columns)))
    for line in sorted(",".join("" if v is None else str(v) for v in row) for row in rows.collect()):
        print("%s: %s" % (path, line))
