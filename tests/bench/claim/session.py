"""What the report calls "before": all stages in one Spark session, run after run.

  spark_submit.sh ... session.py -- --runs FILE --marks FILE [--release]

FILE of --runs is a JSON list of runs, each a list of stages: {"name", "script", "args", "inputs"}. The
scripts are the jobs as they are, each with its arguments and its list of inputs, as a process of its
own would have them; only SparkSession.stop does nothing, so all have the session of the first. Data
frames that they cache stay cached, as they do where nobody releases them; --release releases them
behind each stage. Times of begins and ends are appended to the file of --marks.
"""
import argparse
import gc
import json
import os
import runpy
import sys
import time

from pyspark.sql import SparkSession

parser = argparse.ArgumentParser()
parser.add_argument("--runs", required=True)
parser.add_argument("--marks", required=True)
parser.add_argument("--release", action="store_true")
options = parser.parse_args()
with open(options.runs) as file:
    runs = json.load(file)


def mark(name):
    with open(options.marks, "a") as file:
        file.write("%.3f %s\n" % (time.time(), name))


def release(spark):
    spark.catalog.clearCache()
    for rdd in spark.sparkContext._jsc.getPersistentRDDs().values():
        rdd.unpersist()
    gc.collect()
    spark._jvm.System.gc()


stop = SparkSession.stop
SparkSession.stop = lambda self: None
for run in runs:
    mark("begin")
    for stage in run:
        os.environ["STAGEGRAPH_INPUTS_FILE"] = stage["inputs"]
        sys.argv = [stage["script"], *stage["args"]]
        begin = time.time()
        runpy.run_path(stage["script"], run_name="__main__")
        print("mark %s %.1f" % (stage["name"], time.time() - begin), flush=True)
        if options.release:
            release(SparkSession.getActiveSession())
    mark("end")
spark = SparkSession.getActiveSession()
spark._jvm.System.gc()  # behind the last mark: what of the heap is in use is seen in the JVM's log
stop(spark)
