package flights;

/** The facts of a group of flights: sums of whole numbers, so that their order does not matter. */
final class Tally {
    static final String HEADER = "flights,cancelled,diverted,mean_dep_delay,mean_arr_delay,late,"
            + "late_pct,worst_dep_delay";

    int flights;
    private int cancelled, diverted, departed, arrived, late;
    private int worst = Integer.MIN_VALUE;
    private long depDelay, arrDelay;

    /** Adds a flight; one is late that leaves `lateMinutes` or more after its time. */
    void add(String status, String dep, String arr, int lateMinutes) {
        flights++;
        cancelled += status.equals("cancelled") ? 1 : 0;
        diverted += status.equals("diverted") ? 1 : 0;
        if (!dep.isEmpty()) {
            int delay = Integer.parseInt(dep);
            departed++;
            depDelay += delay;
            late += delay >= lateMinutes ? 1 : 0;
            worst = Math.max(worst, delay);
        }
        if (!arr.isEmpty()) {
            arrived++;
            arrDelay += Integer.parseInt(arr);
        }
    }

    /** The fields of HEADER; a mean over nothing is empty. */
    String fields() {
        return flights + "," + cancelled + "," + diverted + "," + tenths(depDelay, departed) + ","
                + tenths(arrDelay, arrived) + "," + late + "," + tenths(100L * late, departed) + ","
                + (departed == 0 ? "" : String.valueOf(worst));
    }

    /** sum / count with one decimal, halves away from zero. */
    static String tenths(long sum, long count) {
        if (count == 0)
            return "";
        long tenths = (Math.abs(sum) * 20 + count) / (2 * count);
        return (sum < 0 && tenths > 0 ? "-" : "") + tenths / 10 + "." + tenths % 10;
    }
}
