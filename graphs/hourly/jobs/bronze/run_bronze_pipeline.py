"""Bronze: the flights and the weather of an hour, as landed, with types, as ORC.

  --mode upsert    what is landed is merged by key into what bronze has: a landed row replaces the
                   one of its key, rows that are no longer landed stay
  --mode full      what bronze has is replaced by what is landed, an hour after the other: an hour
                   that can't be read leaves the hours before it done
  --mode backfill  the same rows as full in one write for all hours: faster, and if one hour can't
                   be read, all stay as they were

An hour's landing has flights*.csv and weather*.csv. Of two rows of a key the one in the later file
by name counts, so a correction is landed as another file, flights-2.csv.

An hour of which nothing has landed is an error, and not an hour without flights: that one has files
with a header.

Exit status: 0, 1 (input, output, Spark), 2 (usage), 3 (a line that is no flight or no weather).
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import pipeline
from pipeline import F
from pyspark.sql import Window

BAD = "_bad"
TABLES = {
    "flights": (
        "year INT, month INT, day INT, dep_time INT, sched_dep_time INT, dep_delay INT, "
        "arr_time INT, sched_arr_time INT, arr_delay INT, carrier STRING, flight INT, "
        "tailnum STRING, origin STRING, dest STRING, air_time INT, distance INT, hour INT, "
        "minute INT, time_hour TIMESTAMP",
        ["time_hour", "carrier", "flight", "origin"],
    ),
    "weather": (
        "origin STRING, year INT, month INT, day INT, hour INT, temp DOUBLE, dewp DOUBLE, "
        "humid DOUBLE, wind_dir INT, wind_speed DOUBLE, wind_gust DOUBLE, precip DOUBLE, "
        "pressure DOUBLE, visib DOUBLE, time_hour TIMESTAMP",
        ["time_hour", "origin"],
    ),
}


def landed(spark, files, table, hours):
    """The rows of the hours' landing files, each with the name of its file."""
    schema, _ = TABLES[table]
    paths = [
        "%s/%s" % (directory, name)
        for directory in hours
        for name in files.names(directory)
        if name.startswith(table) and name.endswith(".csv")
    ]
    if not paths:
        return spark.createDataFrame([], schema + ", file STRING, dt STRING, hr STRING")
    rows = spark.read.csv(
        paths, schema=schema + ", %s STRING" % BAD, header=True, nullValue="NA",
        mode="PERMISSIVE", columnNameOfCorruptRecord=BAD)
    return pipeline.with_partition(rows).cache()  # Spark reads BAD alone only from a cache


def refuse_missing(files, landing, hours):
    for hour in hours:
        directory = landing.get(hour.label, "nowhere")
        if hour.label not in landing or not files.names(directory):
            raise pipeline.NoInput("nothing has landed of %s: %s" % (hour.label, directory))


def refuse_bad(rows):
    if BAD in rows.columns:
        for row in rows.where(F.col(BAD).isNotNull()).select("file", BAD).take(1):
            raise pipeline.BadData("%s: can't be read: %s" % (row["file"], row[BAD]))


def present(spark, files, out, table, hours):
    """What bronze has of the hours."""
    schema, _ = TABLES[table]
    paths = ["%s/%s/%s" % (out, hour.path, table) for hour in hours]
    paths = [path for path in paths if files.names(path)]
    if not paths:
        return None
    return pipeline.read(spark, paths, schema)


def ingest(spark, options, hours, landing):
    """One write for all of the hours."""
    with pipeline.Output(spark, options.out, hours) as output:
        refuse_missing(output.files, landing, hours)
        for table in TABLES:
            stage(spark, output, table, options.mode, landing)
        for hour in hours:
            output.publish(hour)


def stage(spark, output, table, mode, landing):
    _, key = TABLES[table]
    hours = output.partitions
    rows = landed(spark, output.files, table, [landing[hour.label] for hour in hours])
    refuse_bad(rows)
    rows = rows.drop(BAD).withColumn("landed", F.lit(1))
    old = present(spark, output.files, output.root, table, hours) if mode == "upsert" else None
    if old is not None:
        rows = rows.unionByName(old.withColumn("landed", F.lit(0)))
    name = F.regexp_replace("file", "[.]csv$", "")  # flights comes before flights-2
    newest = Window.partitionBy(*pipeline.PARTITION, *key).orderBy(F.desc("landed"), name.desc())
    rows = rows.withColumn("n", F.row_number().over(newest)).where("n = 1")
    output.stage(table, rows.drop("n", "landed", "file"), key)


def main():
    parser = argparse.ArgumentParser(description="the hours of [start, end), from landing to bronze")
    parser.add_argument("--mode", choices=["upsert", "full", "backfill"], default="upsert")
    parser.add_argument("--start", type=pipeline.time, required=True)
    parser.add_argument("--end", type=pipeline.time, required=True)
    parser.add_argument("--out", required=True, help="bronze's directory")
    options = parser.parse_args()
    hours = pipeline.hours(options.start, options.end)
    if not hours:
        parser.error("--end is not after --start")

    pipeline.say("Bronze ingestion starting... (%s, %d hours)" % (options.mode, len(hours)))
    landing = pipeline.inputs("landing", options.out, hours)
    spark = pipeline.session("bronze")
    for some in [[hour] for hour in hours] if options.mode == "full" else [hours]:
        ingest(spark, options, some, landing)
        pipeline.say("Ingested %s" % " … ".join(sorted({some[0].label, some[-1].label})))
    spark.stop()
    pipeline.say("Bronze stage complete!")


pipeline.run(main)
