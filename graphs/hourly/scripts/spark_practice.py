"""What spark_archive.sh runs: a bit of everything that the jobs do, so that its classes are known."""
import sys

from pyspark.sql import SparkSession, Window, functions as F

work = sys.argv[1]
spark = SparkSession.builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
numbers = spark.range(100).select(
    "id", (F.col("id") % 3).alias("k"), F.col("id").cast("string").alias("text"),
    F.current_timestamp().alias("at"))
numbers.write.csv(work + "/csv", header=True)
rows = spark.read.csv(
    work + "/csv", schema="id INT, k INT, text STRING, at TIMESTAMP, bad STRING", header=True,
    columnNameOfCorruptRecord="bad").withColumn("file", F.input_file_name()).cache()
rows.where("bad IS NOT NULL").take(1)
newest = Window.partitionBy("k", "text").orderBy(F.desc("file"))
rows = rows.withColumn("n", F.row_number().over(newest)).where("n = 1").drop("n", "bad", "file")
rows.repartition("k").sortWithinPartitions("k", "id").write.partitionBy("k").orc(work + "/rows")
spark.createDataFrame([], rows.schema).coalesce(1).write.orc(work + "/empty")
rows = spark.read.orc(work + "/rows")
sums = rows.groupBy("k").agg(F.count("*").alias("c"), F.round(F.avg("id"), 1), F.max("at"))
sums.join(rows, "k", "left").coalesce(1).write.orc(work + "/joined")
sums.collect()
files = spark._jvm.org.apache.hadoop.fs
path = files.Path(work + "/joined")
there = path.getFileSystem(spark._jsc.hadoopConfiguration())
there.rename(there.listStatus(path)[0].getPath(), files.Path(work + "/moved"))
there.delete(path, True)
spark.stop()
