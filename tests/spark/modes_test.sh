# shellcheck shell=bash
# modes: what each mode and option of the three jobs does to the data. Four real hours of 8 March
# 2013, the first of them without a flight, are landed, and then corrected, damaged and mended. What
# the jobs make is set aside at each step and looked at in the end, in one Spark job for all.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

day=2013-03-08
landing=w/landing/dt=$day

bronze() { submit "$1" "$HOURLY/jobs/bronze/run_bronze_pipeline.py" --mode "$2" \
    --start "${day}T$3:00:00Z" --end "${day}T$4:00:00Z" --out "$PWD/w/bronze"; }
silver() { submit "$1" "$HOURLY/jobs/silver/run_silver_pipeline.py" --mode "${@:2}" \
    --start "${day}T09:00:00Z" --end "${day}T13:00:00Z" --out "$PWD/w/silver"; }
gold() { submit "$1" "$HOURLY/jobs/gold/run_gold_pipeline.py" --mode "$2" \
    --start-date $day --end-date $day --out "$PWD/w/gold"; }

# keep NAME STAGE: sets the stage's day aside as NAME.
keep() { mkdir -p "kept/$1" && cp -R "w/$2/dt=$day/." "kept/$1/"; }
# files NAME: its data files with their content, under no name but the directory's.
files() { (cd "kept/$1" && find . -name '*.orc' | sort | while read -r file; do
    echo "${file%/*} $(sha256sum <"$file")"; done); }
done_labels() { tr '\n' ' ' <"$STAGEGRAPH_DONE_FILE"; }

python3 "$HOURLY/jobs/landing/land.py" --archive "$FLIGHTS_ARCHIVE" --root w \
    --from ${day}T09:00:00Z --until ${day}T13:00:00Z >/dev/null || exit 1
cp -R w/landing whole
bronze 0 upsert 09 13
keep landed bronze
expect "labels" "$(done_labels)" "${day}T09 ${day}T10 ${day}T11 ${day}T12 "
expect "an empty hour's files" "$(find w/bronze/dt=$day/hr=09 -name '*.orc' | wc -l)" 2
expect "what is left of the staging" "$(find w/bronze -name '.spark*')" ""
verdict each_hour_is_written_and_credited_the_empty_one_too

# The first flight of 11:00 was 999 minutes late, says a later drop; the second is no longer landed.
first=$(sed -n 2p $landing/hr=11/flights.csv) second=$(sed -n 3p $landing/hr=11/flights.csv)
key() { echo "$1" | awk -F, '{ print $10 "," $11 }'; } # carrier,flight
{ sed -n 1p $landing/hr=11/flights.csv; echo "$first" | awk -F, -v OFS=, '{ $6 = 999; print }'; } \
    >$landing/hr=11/flights-2.csv
sed -i 3d $landing/hr=11/flights.csv
bronze 0 upsert 11 12
keep upsert bronze
# It dies as it puts the first file in its place, and is run again.
cat >dies.py <<'END'
import os, runpy, sys
script = sys.argv.pop(1)
sys.path.insert(0, os.path.join(os.path.dirname(script), "..", "common"))
import pipeline
pipeline.Files.move = lambda self, old, new: os._exit(9)
sys.argv[0] = script
runpy.run_path(script, run_name="__main__")
END
submit 9 dies.py "$HOURLY/jobs/bronze/run_bronze_pipeline.py" --mode upsert \
    --start ${day}T11:00:00Z --end ${day}T12:00:00Z --out "$PWD/w/bronze"
bronze 0 upsert 11 12
keep again bronze
expect "the bytes" "$(files again)" "$(files upsert)"
verdict upsert_keeps_what_is_no_longer_landed_though_the_job_before_died
bronze 0 full 11 12
keep full bronze

# 11:00 as at first; 12:00 has a line that is no flight.
rm -r $landing && cp -R whole/dt=$day $landing
sed -i '3s/.*/2013,3,8,nine,thirty/' $landing/hr=12/flights.csv
bronze 3 full 09 13
keep full_bad bronze
expect "labels" "$(done_labels)" "${day}T09 ${day}T10 ${day}T11 "
grep -q 'hr=12/flights.csv.*nine,thirty' log || expect "the line is named" "$(cat log)" "its file"
expect "11:00 is made anew" "$(files full_bad | grep hr=11/flights)" "$(files landed | grep hr=11/flights)"
verdict full_leaves_the_hours_before_a_bad_one_done
listing() { find w/bronze -name '*.orc' -printf '%p %i %T@\n' | sort; }
before=$(listing)
bronze 3 backfill 09 13
expect "labels" "$(done_labels)" ""
expect "the files" "$(listing)" "$before"
expect "what is left of the staging" "$(find w/bronze -name '.spark*')" ""
verdict backfill_leaves_all_hours_as_they_were_if_one_is_bad

cp whole/dt=$day/hr=12/flights.csv $landing/hr=12/
bronze 0 backfill 09 13
keep backfill bronze
expect "labels" "$(done_labels)" "${day}T09 ${day}T10 ${day}T11 ${day}T12 "
expect "the bytes" "$(files backfill)" "$(files landed)"
verdict the_same_rows_are_the_same_bytes_in_each_mode

bronze 1 upsert 13 14
grep -q "FAILED: nothing has landed of ${day}T13: file:.*/landing/dt=$day/hr=13" log ||
    expect "what it says" "$(cat log)" "that nothing has landed"
expect "13:00" "$(ls -A w/bronze/dt=$day/hr=13 2>/dev/null)" ""
verdict an_hour_that_has_not_landed_is_no_hour_without_flights

# For silver: a wind that can't be, a flight without a carrier, and one that was moved by an hour.
{ sed -n 1p $landing/hr=11/weather.csv
  awk -F, -v OFS=, '$1 == "EWR" { $10 = "1048.36058"; print }' $landing/hr=11/weather.csv; } \
    >$landing/hr=11/weather-2.csv
echo "$first" | awk -F, -v OFS=, '{ $10 = "NA"; $11 = 7777; print }' >>$landing/hr=11/flights.csv
echo "${first/T11:00:00Z/T12:00:00Z}" >>$landing/hr=12/flights.csv
bronze 0 upsert 09 13
silver 0 incremental
keep silver silver
expect "labels" "$(done_labels)" "${day}T09 ${day}T10 ${day}T11 ${day}T12 "
grep -q 'Validated [0-9]* records, 1 left out' log || expect "the count" "$(cat log)" "1 left out"
silver 0 incremental --skip-validation
keep unvalidated silver
silver 0 full
keep silver_full silver

# A third of 10:00 has no carrier: that hour is not written, the others are.
cp $landing/hr=10/flights.csv flights.csv
awk -F, -v OFS=, 'NR > 1 && NR % 3 == 0 { $10 = "NA" } { print }' flights.csv >$landing/hr=10/flights.csv
bronze 0 full 10 11
before=$(find w/silver/dt=$day/hr=10 -name '*.orc' -printf '%p %i %T@\n')
silver 3 incremental
expect "labels" "$(done_labels)" "${day}T09 ${day}T11 ${day}T12 "
expect "10:00" "$(find w/silver/dt=$day/hr=10 -name '*.orc' -printf '%p %i %T@\n')" "$before"
grep -q "${day}T10 did not pass" log || expect "the hour is named" "$(cat log)" "${day}T10"
verdict an_hour_that_would_lose_too_much_is_not_written

for hour in 09 10 11 12; do
    printf 'silver\t%sT%s\t%s\n' $day $hour "$PWD/w/silver/dt=$day/hr=$hour"
done >inputs
printf '|dims\t\t%s\n' "$PWD/w/dims" >>inputs
# As by a graph that names no dims: they are beside gold.
grep -v '^|dims' inputs >fewer
mv w/dims w/elsewhere
STAGEGRAPH_INPUTS_FILE=$PWD/fewer gold 1 all
grep -q 'FAILED: there is no file:.*/w/dims/airlines.csv' log || expect "what it says" "$(cat log)" "what is missing"
mv w/elsewhere w/dims
STAGEGRAPH_INPUTS_FILE=$PWD/fewer gold 0 all
keep gold_beside gold
export STAGEGRAPH_INPUTS_FILE=$PWD/inputs
gold 0 all
keep gold gold
expect "tables" "$(cd kept/gold && echo [!._]*)" "carriers delays weather"
expect "the bytes" "$(files gold)" "$(files gold_beside)"
verdict a_need_that_the_graph_does_not_name_is_looked_for_beside_the_output
for fact in delays weather carriers; do
    gold 0 $fact
    expect "tables of $fact" "$(cd w/gold/dt=$day && echo [!._]*)" "$fact"
    expect "the bytes of $fact" "$(cat w/gold/dt=$day/$fact/[!._]* | sha256sum)" \
        "$(cat kept/gold/$fact/[!._]* | sha256sum)"
done
verdict a_day_has_the_facts_of_its_mode_and_no_others

# ---- What is in them

submit 0 "$HOURLY/scripts/show.py" kept/{upsert,full}/hr=11/flights \
    kept/{silver,unvalidated,silver_full}/hr={11,12} kept/gold/{carriers,delays,weather} \
    kept/silver/hr=09
cp log rows
# column DIRECTORY NAME: its number in the lines of rows; rows_of DIRECTORY: the lines themselves.
columns() { sed -n "s|^kept/$1: ||p" rows | head -n 1; }
rows_of() { sed -n "s|^kept/$1: ||p" rows | tail -n +2; }
# values DIRECTORY CARRIER,FLIGHT COLUMN: of the rows of that flight, the column.
values() { { columns "$1"; rows_of "$1"; } | awk -F, -v key="$2" -v want="$3" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $(at["carrier"]) "," $(at["flight"]) == key { print $(at[want]) }'; }

expect "the corrected delay" "$(values upsert/hr=11/flights "$(key "$first")" dep_delay)" 999
expect "the flight that is gone" "$(values upsert/hr=11/flights "$(key "$second")" flight)" \
    "$(key "$second" | cut -d, -f2)"
verdict upsert_takes_corrections_and_keeps_what_is_no_longer_landed
expect "the corrected delay" "$(values full/hr=11/flights "$(key "$first")" dep_delay)" 999
expect "the flight that is gone" "$(values full/hr=11/flights "$(key "$second")" flight)" ""
verdict full_is_what_is_landed_and_no_more

winds() { { columns "$1"; rows_of "$1"; } | awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $(at["origin"]) == "EWR" { print $(at["wind_speed"]) }' | sort -u; }
expect "EWR's wind" "$(winds silver/hr=11)" ""
expect "the flight without a carrier" "$(values silver/hr=11 ,7777 flight)" ""
verdict validation_empties_winds_that_cannot_be_and_leaves_out_rows_without_a_key
expect "EWR's wind" "$(winds unvalidated/hr=11)" "1048.36058"
expect "the flight without a carrier" "$(values unvalidated/hr=11 ,7777 flight)" 7777
verdict skip_validation_takes_everything_as_it_comes

moved=$(key "$first")
expect "at 11:00" "$(values silver/hr=11 "$moved" flight)" "${moved#*,}"
expect "at 12:00" "$(values silver/hr=12 "$moved" flight)" "${moved#*,}"
verdict incremental_takes_each_hour_by_itself
expect "at 11:00" "$(values silver_full/hr=11 "$moved" flight)" ""
expect "at 12:00" "$(values silver_full/hr=12 "$moved" flight)" "${moved#*,}"
verdict full_keeps_a_flight_that_was_moved_only_where_it_is_now

expect "09:00's rows" "$(rows_of silver/hr=09 | wc -l)" 0
flights=$(($(for h in 09 11 12; do rows_of silver/hr=$h; done | wc -l)))
of_fact() { { columns "gold/$1"; rows_of "gold/$1"; } | awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { n += $(at["flights"]) } END { print n }'; }
ten=$(tail -n +2 flights.csv | wc -l)
for fact in carriers delays weather; do
    expect "flights in $fact" "$(of_fact $fact)" $((flights + ten))
done
expect "an airline's name" "$(rows_of gold/carriers | grep -c 'JetBlue Airways')" 1
verdict each_fact_counts_every_flight_of_silver_once
echo "modes: done"
