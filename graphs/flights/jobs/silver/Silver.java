package flights;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Cleans an hour of bronze and joins it: says of each flight whether it was cancelled, diverted or
 * flown, empties implausible winds, gives each hour of weather a class, and adds weather by
 * (origin, time_hour), the destination's name and the aircraft's seats.
 *
 * Mode `incremental` compares with what an earlier run left and says what changed; `full` does not
 * look at it. Both write the same bytes.
 */
public final class Silver extends Job {
    /* What makes an hour's weather bad for flying. The first class that fits is taken. */
    private static final double SNOW_TEMP_F = 35;
    private static final double FOG_MILES = 3;
    private static final double WINDY_MPH = 20;
    private static final double GUSTY_MPH = 30;

    private static final String FLIGHTS = "time_hour,origin,carrier,flight,dest,dest_name,tailnum,"
            + "seats,sched_dep,status,dep_delay,arr_delay,air_time,distance,weather,temp,wind_speed,precip,visib";
    private static final String WEATHER = "time_hour,origin,weather,temp,dewp,humid,wind_dir,"
            + "wind_speed,wind_gust,precip,pressure,visib";

    public static void main(String[] args) {
        new Silver().main(args, new String[] { "--bronze!", "--dims!", "--out!", "--mode",
                "--max-wind" }, new String[] { "--skip-validation" });
    }

    @Override
    String usage() {
        return "--bronze DIRECTORY --dims DIRECTORY --out DIRECTORY [--mode incremental|full]"
                + " [--max-wind MPH] [--skip-validation]";
    }

    @Override
    void run() throws IOException, BadData {
        boolean incremental = choice("--mode", "incremental", "full").equals("incremental");
        boolean validate = !given("--skip-validation");
        Csv flights = Csv.read(place("--bronze").resolve("flights.csv"));
        Csv reports = Csv.read(place("--bronze").resolve("weather.csv"));
        Map<String, String[]> weather = new HashMap<>();

        List<String> weatherLines = weather(reports, weather);
        List<String> flightLines = flights(flights, weather, validate);
        log("Joined " + flightLines.size() + " flights with " + weatherLines.size()
                + " weather reports" + (validate ? ", validated" : ""));
        if (incremental)
            compare(place("--out").resolve("flights.csv"), flightLines);
        place("--out").resolve("flights.csv").write(Csv.text(FLIGHTS, flightLines));
        place("--out").resolve("weather.csv").write(Csv.text(WEATHER, weatherLines));
        log("Silver stage complete!");
    }

    /** The clean weather: a line a report, and by origin what the flights take of it. */
    private List<String> weather(Csv table, Map<String, String[]> byOrigin) throws BadData {
        int cap = whole("--max-wind", 150), implausible = 0;
        int hour = table.column("time_hour"), origin = table.column("origin"),
                temp = table.column("temp"), speed = table.column("wind_speed"),
                gust = table.column("wind_gust"), precip = table.column("precip"),
                visib = table.column("visib");
        List<String> lines = new ArrayList<>();

        for (String[] row : table.rows) {
            for (int wind : new int[] { speed, gust }) {
                if (!row[wind].isEmpty() && Double.parseDouble(row[wind]) > cap) {
                    row[wind] = "";
                    implausible++;
                }
            }
            String kind = kind(row[temp], row[speed], row[gust], row[precip], row[visib]);
            StringBuilder line = new StringBuilder(row[hour] + "," + row[origin] + "," + kind);
            for (String name : new String[] { "temp", "dewp", "humid", "wind_dir", "wind_speed",
                    "wind_gust", "precip", "pressure", "visib" })
                line.append(',').append(row[table.column(name)]);
            lines.add(line.toString());
            byOrigin.put(row[origin],
                    new String[] { kind, row[temp], row[speed], row[precip], row[visib] });
        }
        if (implausible > 0)
            log("Emptied " + implausible + " winds above " + cap + " mph");
        return lines;
    }

    private static String kind(String temp, String speed, String gust, String precip, String visib) {
        if (number(precip, 0) > 0)
            return number(temp, 99) <= SNOW_TEMP_F ? "snow" : "rain";
        if (number(visib, 99) < FOG_MILES)
            return "fog";
        if (number(speed, 0) >= WINDY_MPH || number(gust, 0) >= GUSTY_MPH)
            return "wind";
        return "fair";
    }

    private static double number(String field, double otherwise) {
        return field.isEmpty() ? otherwise : Double.parseDouble(field);
    }

    private List<String> flights(Csv table, Map<String, String[]> weather, boolean validate)
            throws IOException, BadData {
        Map<String, String> airports = dimension("airports", "faa", "name");
        Map<String, String> seats = dimension("planes", "tailnum", "seats");
        int hour = table.column("time_hour"), origin = table.column("origin"),
                carrier = table.column("carrier"), flight = table.column("flight"),
                dest = table.column("dest"), tailnum = table.column("tailnum"),
                schedDep = table.column("sched_dep"), dep = table.column("dep"),
                depDelay = table.column("dep_delay"), arrDelay = table.column("arr_delay"),
                airTime = table.column("air_time"), distance = table.column("distance");
        String[] none = { "unknown", "", "", "", "" };
        int unknown = 0, dark = 0;
        List<String> lines = new ArrayList<>();

        for (int i = 0; i < table.rows.size(); i++) {
            String[] row = table.rows.get(i);
            boolean cancelled = row[dep].isEmpty(), flown = !cancelled && !row[arrDelay].isEmpty();
            String status = cancelled ? "cancelled" : flown ? "flown" : "diverted";
            if (validate) {
                check(table, i, airports.containsKey(row[origin]), "unknown origin " + row[origin]);
                check(table, i, cancelled == row[depDelay].isEmpty(),
                        status + ", but dep_delay is \"" + row[depDelay] + "\"");
                check(table, i, !flown || number(row[airTime], 0) > 0, "flown, but not in the air");
                check(table, i, number(row[distance], 0) > 0, "no distance");
            }
            String[] sky = weather.getOrDefault(row[origin], none);
            String name = airports.getOrDefault(row[dest], "");
            unknown += name.isEmpty() ? 1 : 0;
            dark += sky == none ? 1 : 0;
            lines.add(String.join(",", row[hour], row[origin], row[carrier], row[flight], row[dest],
                    name, row[tailnum], seats.getOrDefault(row[tailnum], ""), row[schedDep],
                    status, row[depDelay], row[arrDelay], row[airTime], row[distance],
                    String.join(",", sky)));
        }
        if (unknown + dark > 0)
            log(dark + " flights without weather, " + unknown
                    + " to airports that are not in the list");
        return lines;
    }

    private static void check(Csv table, int row, boolean good, String otherwise) throws BadData {
        if (!good)
            throw new BadData(table.where(row) + ": " + otherwise);
    }

    private Map<String, String> dimension(String name, String key, String value)
            throws IOException, BadData {
        Csv table = Csv.read(place("--dims").resolve(name + ".csv"));
        int k = table.column(key), v = table.column(value);
        Map<String, String> map = new HashMap<>();
        for (String[] row : table.rows)
            map.put(row[k], row[v].equals("NA") ? "" : row[v]);
        return map;
    }

    private static void compare(Place file, List<String> lines) throws IOException {
        if (!file.exists())
            return;
        Set<String> old = new HashSet<>(file.lines());
        int same = 0;
        for (String line : lines)
            same += old.contains(line) ? 1 : 0;
        log("Since the last run: " + same + " flights as they were, " + (lines.size() - same)
                + " new or changed");
    }
}
