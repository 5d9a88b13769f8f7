# shellcheck shell=sh
# The job of the tests' graph: does what the file "mode" says.
echo "hour $2 begins"
case $(cat mode) in
fail) exit 9 ;;
wait) until [ -e go ]; do sleep 0.1; done ;;
jvm) exec java -Xmx32m Sleeper ;;
stubborn)
    trap '' TERM
    java -Xmx32m Sleeper
    ;;
esac
mkdir -p "$1" && echo "$2" >"$1/rows"
echo "hour $2 is done"
