"""What the three jobs share: partitions, inputs, the Spark session, and how an output is replaced.

A job makes its partitions in two steps. First Spark writes all of them, in one write a table, into
a staging directory; then each partition's new files are moved in and its old ones removed. So a job
may read what it is about to replace, a job that fails while it computes leaves everything as it was,
and one that dies while it moves leaves a partition without a marker, which is stale, and in it what
was there, for the next one to merge into.

Paths are absolute or URIs of any file system that Hadoop knows.
"""
import argparse
import datetime
import os
import sys

from pyspark.sql import SparkSession, functions as F

STAGING = ".spark-staging-job"  # stagegraph removes .spark-staging-* that dead attempts left
PARTITION = ["dt", "hr"]

# Spark's Parquet lists the encodings of a column in an order that changes from JVM to JVM, so the
# same rows are other bytes each time, and whatever needs them would be made again. ORC's are the same.
FORMAT = "orc"


class BadData(Exception):
    """The data are at fault, not the job: exit status 3."""


class NoInput(Exception):
    """Something to read is not there: exit status 1, and no traceback."""


def say(text):
    print(datetime.datetime.now().strftime("[%Y-%m-%d %H:%M:%S] ") + text, flush=True)


def run(main):
    """Runs main and ends the process with its status."""
    try:
        main()
    except BadData as bad:
        say("FAILED: %s" % bad)
        sys.exit(3)
    except NoInput as missing:
        say("FAILED: %s" % missing)
        sys.exit(1)


# ---- partitions and inputs


class Partition:
    """An hour (hr is "05") or a day (hr is None)."""

    def __init__(self, dt, hr=None):
        self.dt, self.hr = dt, hr
        self.label = dt if hr is None else "%sT%s" % (dt, hr)
        self.path = "dt=%s" % dt if hr is None else "dt=%s/hr=%s" % (dt, hr)


def time(text):
    """An argument like 2013-03-08T05:00:00Z that lies on an hour."""
    try:
        at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise argparse.ArgumentTypeError("%r is not like 2013-03-08T05:00:00Z" % text)
    if at.minute or at.second:
        raise argparse.ArgumentTypeError("%r is not a full hour" % text)
    return at


def date(text):
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise argparse.ArgumentTypeError("%r is not like 2013-03-08" % text)


def hours(start, end):
    """The hours of [start, end)."""
    n = int((end - start).total_seconds()) // 3600
    times = [start + datetime.timedelta(hours=i) for i in range(n)]
    return [Partition(at.strftime("%Y-%m-%d"), at.strftime("%H")) for at in times]


def days(first, last):
    """The days from first to last, the last included."""
    times = [first + datetime.timedelta(days=i) for i in range((last - first).days + 1)]
    return [Partition(at.strftime("%Y-%m-%d")) for at in times]


def local(path):
    """A plain path means this machine, also where Hadoop's default is a cluster."""
    return "file://" + path if path.startswith("/") else path


def inputs(need, out, default):
    """The directories of a need, by label: as stagegraph says in $STAGEGRAPH_INPUTS_FILE; called by
    hand, and where the graph has no such need, the partitions of the list default in the directory
    need beside out."""
    found = {}
    listed = os.environ.get("STAGEGRAPH_INPUTS_FILE")
    if listed:
        with open(listed) as lines:
            for line in lines:
                name, label, uri = line.rstrip("\n").split("\t")
                if name.strip("|?") == need:  # as the graph has it: |dims is order only
                    found[label] = local(uri)
    if found:
        return found
    beside = local(out).rstrip("/").rpartition("/")[0] + "/" + need
    return {p.label: (beside + "/" + p.path).rstrip("/") for p in default}


def session(name):
    """Times are UTC's, and a column is what its file says."""
    builder = SparkSession.builder.appName(name)
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    zones = spark._jvm.java.util.TimeZone  # ORC's times are those of the JVM's zone
    zones.setDefault(zones.getTimeZone("UTC"))
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def read(spark, paths, schema=None):
    rows = spark.read.format(FORMAT)
    return with_partition((rows.schema(schema) if schema else rows).load(paths))


def with_partition(rows):
    """Adds dt and hr, taken from the path of the file that a row is from."""
    return rows.withColumn("file", F.input_file_name()).withColumn(
        "dt", F.regexp_extract("file", "/dt=([^/]*)/", 1)
    ).withColumn("hr", F.regexp_extract("file", "/hr=([^/]*)/", 1))


# ---- files and outputs


class Files:
    """Hadoop's file systems, so that file:// and hdfs:// are alike."""

    def __init__(self, spark):
        self.hadoop = spark._jvm.org.apache.hadoop.fs
        self.conf = spark._jsc.hadoopConfiguration()

    def at(self, path):
        path = self.hadoop.Path(path)
        return path.getFileSystem(self.conf), path

    def names(self, path):
        """What is in a directory, without names that begin with . or _; none if it's not there."""
        fs, path = self.at(path)
        if not fs.exists(path):
            return []
        found = [status.getPath().getName() for status in fs.listStatus(path)]
        return sorted(name for name in found if name[0] not in "._")

    def remove(self, path):
        fs, path = self.at(path)
        fs.delete(path, True)

    def make(self, path):
        fs, path = self.at(path)
        fs.mkdirs(path)

    def move(self, old, new):
        fs, old = self.at(old)
        if not fs.rename(old, self.hadoop.Path(new)):
            raise OSError("can't move %s to %s" % (old, new))

    def copy(self, old, new):
        (fs, old), new = self.at(old), self.hadoop.Path(new)
        self.hadoop.FileUtil.copy(fs, old, fs, new, False, self.conf)


class Output:
    """The partitions of a stage below the directory root, in a with statement. A table is a directory
    in a partition, or with the name "." the partition itself."""

    def __init__(self, spark, root, partitions):
        self.spark, self.files = spark, Files(spark)
        self.root, self.partitions = local(root).rstrip("/"), partitions
        self.staging = "%s/%s/%s" % (self.root, partitions[0].path, STAGING)
        self.tables = []
        self.files.remove(self.staging)

    def stage(self, table, rows, order):
        """Writes rows, which have dt (and hr), one file a partition, in the order of the columns.
        So the same rows are the same bytes, and a file of another job's rows is never mixed in."""
        by = PARTITION if self.partitions[0].hr is not None else PARTITION[:1]
        split = rows.coalesce(1) if len(self.partitions) == 1 else rows.repartition(*by)
        split.sortWithinPartitions(*by, *order).write.partitionBy(*by).format(
            FORMAT).save(self.at(table))
        self.tables.append((table, self.spark.createDataFrame([], rows.drop(*by).schema)))

    def at(self, table):
        return "%s/%s" % (self.staging, "rows" if table == "." else table)

    def publish(self, partition):
        """Replaces a partition by what was staged for it; tables without rows become empty files,
        so that a reader finds their columns."""
        leaf = "%s/%s" % (self.root, partition.path)
        self.files.make(leaf)
        old = self.present(leaf)
        for table, empty in self.tables:
            staged = "%s/%s" % (self.at(table), partition.path)
            names = self.files.names(staged)
            copied = not names
            if copied:
                staged = self.at(table) + "-empty"
                if not self.files.names(staged):
                    empty.coalesce(1).write.format(FORMAT).save(staged)
                names = self.files.names(staged)
            if table != ".":
                self.files.make("%s/%s" % (leaf, table))
            for name in names:
                to = "%s/%s/%s" % (leaf, table, name) if table != "." else "%s/%s" % (leaf, name)
                (self.files.copy if copied else self.files.move)("%s/%s" % (staged, name), to)
        for path in old:
            self.files.remove(path)
        credit(partition)

    def present(self, leaf):
        """What is in a partition: of the tables that are made their files, else whole directories."""
        tables, found = [table for table, _ in self.tables], []
        for name in self.files.names(leaf):
            path = "%s/%s" % (leaf, name)
            inside = self.files.names(path) if name in tables else None
            found += [path] if inside is None else ["%s/%s" % (path, file) for file in inside]
        return found

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.files.remove(self.staging)


def credit(partition):
    """Says that a partition is whole, so that it counts even if the rest of the batch fails."""
    done = os.environ.get("STAGEGRAPH_DONE_FILE")
    if done:
        with open(done, "a") as labels:
            labels.write(partition.label + "\n")
