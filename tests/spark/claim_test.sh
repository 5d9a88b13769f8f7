# shellcheck shell=bash
# claim: what docs/claim.md says is what its rows say, and the rows can be made again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
source=$HOURLY/../..
bench=$source/tests/bench/claim
export -n STAGEGRAPH_DONE_FILE STAGEGRAPH_COUNT

cp "$source/docs/claim.md" claim.md
sed -i '/^<!-- generated/,/^<!-- end/ { /^|/d }' claim.md
expect "tables left" "$(grep -c '^| [a-f] [a-z]*, *' claim.md)" 0
python3 "$bench/report.py" --rows "$bench" --doc claim.md --svg claim.svg || ok=no
expect "the document" "$(diff claim.md "$source/docs/claim.md")" ""
expect "the plot" "$(cmp claim.svg "$source/docs/claim.svg")" ""
verdict the_tables_and_the_plot_of_the_document_are_those_of_its_rows

python3 "$bench/claim.py" --work work --rows "$bench" --estimate >log || ok=no
cp "$bench"/*.csv .
sed -i '/^seconds,1,quick,2,/d' rows.csv
python3 "$bench/claim.py" --work work --rows . --estimate >less || ok=no
left() { sed -E 's/.* ([0-9]+) measurements.*/\1/' "$1"; }
expect "one more is to be done" "$(left less)" $(($(left log) + 1))
verdict what_is_measured_already_is_not_measured_again

# value FILE KEY COLUMN
value() { awk -F, -v key="^$2," -v want="$3" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    $0 ~ key { print $(at[want]) }' "$1"; }
python3 "$bench/claim.py" --work work --rows . --rounds 2 --only seconds/1/quick || ok=no
quick=seconds,1,quick,2
expect "JVMs" "$(value rows.csv $quick jvms)" 3
expect "the data" "$(value rows.csv $quick data)" "$(value "$bench/rows.csv" $quick data)"
for column in wall_s cpu_s peak_mib mean_mib pauses; do
    [ "$(value rows.csv $quick $column | cut -d. -f1)" -gt 0 ] ||
        expect $column "$(value rows.csv $quick $column)" "more than 0"
done
verdict a_measurement_is_a_row_and_makes_the_data_of_the_others
echo "claim: done"
