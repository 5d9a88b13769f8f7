"""Gold: the facts of a day, a table each, as ORC.

  --mode carriers   flights, cancellations and delays by airline
  --mode delays     by airport and hour
  --mode weather    by airport and sky
  --mode all        these three

A day has the tables of its mode and no others. Days are UTC's. Which hours a day has so far, and
where the airlines are, stagegraph says in $STAGEGRAPH_INPUTS_FILE.

Exit status: 0, 1 (input, output, Spark), 2 (usage).
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import pipeline
from pipeline import F

LATE_MINUTES = 15


def numbers():
    """The columns that every fact has."""
    return [
        F.count("*").alias("flights"),
        F.sum((F.col("state") == "cancelled").cast("int")).alias("cancelled"),
        F.sum((F.col("state") == "diverted").cast("int")).alias("diverted"),
        F.sum((F.coalesce("dep_delay", F.lit(0)) >= LATE_MINUTES).cast("int")).alias("late"),
        F.round(F.avg("dep_delay"), 1).alias("mean_dep_delay"),
        F.round(F.avg("arr_delay"), 1).alias("mean_arr_delay"),
        F.max("dep_delay").alias("worst_dep_delay"),
    ]


def carriers(silver, airlines):
    facts = silver.groupBy("dt", "carrier").agg(*numbers())
    return facts.join(airlines, "carrier", "left"), ["carrier"]


def delays(silver, airlines):
    return silver.groupBy("dt", "origin", F.col("hr").alias("at")).agg(*numbers()), ["origin", "at"]


def weather(silver, airlines):
    wind = F.max("wind_speed").alias("max_wind")
    return silver.groupBy("dt", "origin", "sky").agg(*numbers(), wind), ["origin", "sky"]


FACTS = {"carriers": carriers, "delays": delays, "weather": weather}


def main():
    parser = argparse.ArgumentParser(description="the facts of days, from silver to gold")
    parser.add_argument("--mode", choices=["all", *FACTS], default="all")
    parser.add_argument("--start-date", type=pipeline.date, required=True)
    parser.add_argument("--end-date", type=pipeline.date, required=True, help="included")
    parser.add_argument("--out", required=True, help="gold's directory")
    options = parser.parse_args()
    days = pipeline.days(options.start_date, options.end_date)
    if not days:
        parser.error("--end-date is before --start-date")

    pipeline.say("Loading dimensions...")
    hours = pipeline.hours(
        options.start_date, options.end_date + pipeline.datetime.timedelta(days=1))
    silver = pipeline.inputs("silver", options.out, hours)
    (dims,) = pipeline.inputs("dims", options.out, [Once()]).values()
    spark = pipeline.session("gold")
    if "airlines.csv" not in pipeline.Files(spark).names(dims):
        raise pipeline.NoInput("there is no %s/airlines.csv" % dims)
    airlines = spark.read.csv(dims + "/airlines.csv", header=True)
    silver = pipeline.read(spark, list(silver.values())).drop("file").cache()
    pipeline.say("Generating fact tables...")
    with pipeline.Output(spark, options.out, days) as output:
        for name in FACTS if options.mode == "all" else [options.mode]:
            facts, order = FACTS[name](silver, airlines)
            output.stage(name, facts, order)
        for day in days:
            output.publish(day)
    spark.stop()
    pipeline.say("Gold stage complete!")


class Once:
    """The one partition of what isn't partitioned."""

    label = path = ""


pipeline.run(main)
