"""Silver: each flight with the weather at its departure, classed, as ORC.

  --mode incremental  each hour by itself
  --mode full         the whole range at once: a flight that was landed in two of its hours, because
                      a correction moved it, stays in the later one only
  --skip-validation   take everything as it comes

Validation leaves out rows without a key or of another hour, and empties winds that can't be. An
hour that would lose more than a tenth of its rows is not written: the job does the others and ends
with 3.

Exit status: 0, 1 (input, output, Spark), 2 (usage), 3 (an hour that did not pass).
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import pipeline
from pipeline import F
from pyspark.sql import Window

MAX_WIND_MPH = 200  # February 2013 has one of 1048
MAX_LOST = 0.1
KEY = ["time_hour", "carrier", "flight", "origin"]
READINGS = ["temp", "wind_speed", "wind_gust", "precip", "visib"]


def read(spark, directories, table):
    paths = ["%s/%s" % (directory, table) for directory in directories]
    return pipeline.read(spark, paths).drop("file")


def keep_the_later(flights):
    """Of a flight in several hours, the one in the latest."""
    of_day = Window.partitionBy("year", "month", "day", "carrier", "flight", "origin").orderBy(
        F.desc("dt"), F.desc("hr"))
    return flights.withColumn("n", F.row_number().over(of_day)).where("n = 1").drop("n")


def validate(flights, weather):
    """Flights with the column lost, weather without impossible winds."""
    at = F.concat("dt", F.lit("T"), "hr")
    lost = F.greatest(*[F.col(c).isNull() for c in KEY]) | (
        F.date_format("time_hour", "yyyy-MM-dd'T'HH") != at)
    for wind in ["wind_speed", "wind_gust"]:
        weather = weather.withColumn(wind, F.when(F.col(wind) <= MAX_WIND_MPH, F.col(wind)))
    return flights.withColumn("lost", F.coalesce(lost, F.lit(True))), weather


def hours_that_fail(flights):
    """Labels of hours that lose too much, with how much."""
    counts = flights.groupBy(*pipeline.PARTITION).agg(
        F.count("*").alias("rows"), F.sum(F.col("lost").cast("int")).alias("lost")).collect()
    total, lost = sum(c["rows"] for c in counts), sum(c["lost"] for c in counts)
    pipeline.say("Validated %d records, %d left out" % (total, lost))
    return {
        "%sT%s" % (c["dt"], c["hr"]): "%d of %d rows have no key or are of another hour"
        % (c["lost"], c["rows"])
        for c in counts if c["lost"] > MAX_LOST * c["rows"]
    }


def transform(flights, weather):
    weather = weather.select("dt", "hr", "origin", *READINGS)
    state = F.when(F.col("dep_time").isNull(), "cancelled").when(
        F.col("arr_delay").isNull(), "diverted").otherwise("flown")
    sky = F.when(F.col("wind_speed").isNull(), "unknown").when(
        F.col("precip") > 0, "rain or snow").when(F.col("visib") < 3, "fog").when(
        F.col("wind_speed") >= 20, "wind").otherwise("fair")
    return flights.join(weather, ["dt", "hr", "origin"], "left").withColumn(
        "state", state).withColumn("sky", sky)


def main():
    parser = argparse.ArgumentParser(description="the hours of [start, end), from bronze to silver")
    parser.add_argument("--mode", choices=["incremental", "full"], default="incremental")
    parser.add_argument("--skip-validation", action="store_true")
    parser.add_argument("--start", type=pipeline.time, required=True)
    parser.add_argument("--end", type=pipeline.time, required=True)
    parser.add_argument("--out", required=True, help="silver's directory")
    options = parser.parse_args()
    hours = pipeline.hours(options.start, options.end)
    if not hours:
        parser.error("--end is not after --start")

    pipeline.say("Silver transformation starting... (%s, %d hours)" % (options.mode, len(hours)))
    bronze = pipeline.inputs("bronze", options.out, hours).values()
    spark = pipeline.session("silver")
    flights, weather = read(spark, bronze, "flights"), read(spark, bronze, "weather")
    if options.mode == "full":
        flights = keep_the_later(flights)
    fails = {}
    if not options.skip_validation:
        flights, weather = validate(flights, weather)
        fails = hours_that_fail(flights)
        flights = flights.where("not lost").drop("lost")
    with pipeline.Output(spark, options.out, hours) as output:
        output.stage(".", transform(flights, weather), KEY)
        for hour in hours:
            if hour.label not in fails:
                output.publish(hour)
    spark.stop()
    for label, why in fails.items():
        pipeline.say("%s did not pass: %s" % (label, why))
    if fails:
        raise pipeline.BadData("%d of %d hours did not pass" % (len(fails), len(hours)))
    pipeline.say("Silver stage complete!")


pipeline.run(main)
