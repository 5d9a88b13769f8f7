package flights;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The facts of a New York day, from its 23, 24 or 25 hours of silver: delays by carrier, by route
 * and by weather, and a summary of one line. Mode `all` makes all of them, `carrier`, `route` or
 * `weather` the summary and that one alone.
 *
 * The hours come as a file of lines `need TAB label TAB path`, of which those of `silver` count:
 * --inputs, or what the executor names in $STAGEGRAPH_INPUTS_FILE.
 */
public final class Gold extends Job {
    /* From the worst to the best, as silver names them. */
    private static final List<String> WEATHER =
            List.of("snow", "rain", "fog", "wind", "fair", "unknown");

    private final TreeMap<String, Tally> byCarrier = new TreeMap<>(), byRoute = new TreeMap<>(),
            byWeather = new TreeMap<>();
    private final Tally all = new Tally();
    private final Map<String, String> destinations = new HashMap<>();
    private int worstWeather = WEATHER.size() - 1;
    private double maxWind = -1;

    public static void main(String[] args) {
        new Gold().main(args, new String[] { "--date!", "--inputs", "--dims!", "--out!", "--mode",
                "--late" }, new String[] {});
    }

    @Override
    String usage() {
        return "--date DAY --dims DIRECTORY --out DIRECTORY [--inputs FILE]"
                + " [--mode all|carrier|route|weather] [--late MINUTES]";
    }

    @Override
    void run() throws IOException, BadData {
        String mode = choice("--mode", "all", "carrier", "route", "weather");
        int lateMinutes = whole("--late", 15), hours = 0;
        Map<String, String> carriers = new HashMap<>();

        String inputs = value("--inputs");
        if (inputs == null)
            inputs = System.getenv("STAGEGRAPH_INPUTS_FILE");
        if (inputs == null)
            throw new Usage("--inputs is missing, and so is $STAGEGRAPH_INPUTS_FILE");

        log("Loading dimensions...");
        for (String[] row : Csv.read(place("--dims").resolve("airlines.csv")).rows)
            carriers.put(row[0], row[1]);
        for (String line : Files.readAllLines(Path.of(inputs))) {
            String[] field = line.split("\t", -1);
            if (field.length != 3)
                throw new BadData(inputs + ": not need TAB label TAB path: " + line);
            if (!field[0].equals("silver"))
                continue;
            add(Place.of(field[2]), lateMinutes);
            hours++;
        }
        if (hours == 0)
            throw new BadData(inputs + ": no hour of silver in it");

        log("Generating fact tables of " + value("--date") + ": " + hours + " hours, " + all.flights
                + " flights");
        write(mode, "carrier", "carrier,name", named(byCarrier, carriers));
        write(mode, "route", "origin,dest,dest_name", named(byRoute, destinations));
        write(mode, "weather", "weather", named(byWeather, null));
        String summary = value("--date") + "," + hours + "," + all.fields() + ","
                + WEATHER.get(worstWeather) + "," + (maxWind < 0 ? "" : String.valueOf(maxWind));
        String header = "date,hours," + Tally.HEADER + ",worst_weather,max_wind";
        place("--out").resolve("summary.csv").write(Csv.text(header, List.of(summary)));
        log("Gold stage complete!");
    }

    private void add(Place silver, int lateMinutes) throws IOException, BadData {
        Csv table = Csv.read(silver.resolve("flights.csv"));
        int carrier = table.column("carrier"), origin = table.column("origin"),
                dest = table.column("dest"), name = table.column("dest_name"),
                weather = table.column("weather"), status = table.column("status"),
                dep = table.column("dep_delay"), arr = table.column("arr_delay");

        for (String[] row : table.rows) {
            if (!WEATHER.contains(row[weather]))
                throw new BadData(table.file + ": unknown weather \"" + row[weather] + "\"");
            String route = row[origin] + "," + row[dest];
            destinations.put(route, row[name]);
            for (Tally tally : new Tally[] { all, tally(byCarrier, row[carrier]),
                    tally(byRoute, route), tally(byWeather, row[weather]) })
                tally.add(row[status], row[dep], row[arr], lateMinutes);
        }

        Csv reports = Csv.read(silver.resolve("weather.csv"));
        int kind = reports.column("weather"), speed = reports.column("wind_speed");
        for (String[] row : reports.rows) {
            int rank = WEATHER.indexOf(row[kind]);
            worstWeather = rank < 0 ? worstWeather : Math.min(worstWeather, rank);
            if (!row[speed].isEmpty())
                maxWind = Math.max(maxWind, Double.parseDouble(row[speed]));
        }
    }

    private static Tally tally(TreeMap<String, Tally> by, String key) {
        Tally tally = by.get(key);
        if (tally == null)
            by.put(key, tally = new Tally());
        return tally;
    }

    /** A line a group: its key, its name if names are asked for, its facts. */
    private static List<String> named(TreeMap<String, Tally> by, Map<String, String> names) {
        List<String> lines = new ArrayList<>();
        for (String key : by.keySet())
            lines.add(key + (names == null ? "" : "," + names.getOrDefault(key, "")) + ","
                    + by.get(key).fields());
        return lines;
    }

    /** Writes by_FACT.csv if the mode asks for it, and removes an earlier one if not. */
    private void write(String mode, String fact, String key, List<String> lines)
            throws IOException {
        Place file = place("--out").resolve("by_" + fact + ".csv");
        if (mode.equals("all") || mode.equals(fact))
            file.write(Csv.text(key + "," + Tally.HEADER, lines));
        else
            file.delete();
    }
}
