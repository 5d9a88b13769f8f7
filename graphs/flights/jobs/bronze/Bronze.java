package flights;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.TreeMap;

/**
 * Ingests what has landed for one hour: checks the type of each field, drops what the later stages
 * have no use for, removes duplicates, and sorts, so that the same rows are the same bytes however
 * they arrived.
 *
 * Mode `upsert` starts from what an earlier run left and lets the landed rows replace and extend
 * it; `full` takes the landed rows alone; `backfill` does the same and says it in one line.
 */
public final class Bronze extends Job {
    enum Type { TEXT, WHOLE, DECIMAL }

    /** One column: its name in the landed and in our file, its type, and whether it is required. */
    record Column(String landed, String name, Type type, boolean required) {
    }

    /** One table: what its rows are called, and how many of its first columns tell them apart. */
    record Layout(String name, String rows, int key, Column... columns) {
    }

    private static final Layout FLIGHTS = new Layout("flights", "flights", 4,
            new Column("time_hour", "time_hour", Type.TEXT, true),
            new Column("origin", "origin", Type.TEXT, true),
            new Column("carrier", "carrier", Type.TEXT, true),
            new Column("flight", "flight", Type.WHOLE, true),
            new Column("dest", "dest", Type.TEXT, true),
            new Column("tailnum", "tailnum", Type.TEXT, false),
            new Column("sched_dep_time", "sched_dep", Type.WHOLE, true),
            new Column("dep_time", "dep", Type.WHOLE, false),
            new Column("dep_delay", "dep_delay", Type.WHOLE, false),
            new Column("sched_arr_time", "sched_arr", Type.WHOLE, true),
            new Column("arr_time", "arr", Type.WHOLE, false),
            new Column("arr_delay", "arr_delay", Type.WHOLE, false),
            new Column("air_time", "air_time", Type.WHOLE, false),
            new Column("distance", "distance", Type.WHOLE, true));

    private static final Layout WEATHER = new Layout("weather", "weather reports", 2,
            new Column("time_hour", "time_hour", Type.TEXT, true),
            new Column("origin", "origin", Type.TEXT, true),
            new Column("temp", "temp", Type.DECIMAL, false),
            new Column("dewp", "dewp", Type.DECIMAL, false),
            new Column("humid", "humid", Type.DECIMAL, false),
            new Column("wind_dir", "wind_dir", Type.WHOLE, false),
            new Column("wind_speed", "wind_speed", Type.DECIMAL, false),
            new Column("wind_gust", "wind_gust", Type.DECIMAL, false),
            new Column("precip", "precip", Type.DECIMAL, false),
            new Column("pressure", "pressure", Type.DECIMAL, false),
            new Column("visib", "visib", Type.DECIMAL, false));

    private String mode;
    private boolean brief;

    public static void main(String[] args) {
        new Bronze().main(args, new String[] { "--start!", "--landing!", "--out!", "--mode" },
                new String[] { "--skip-validation" });
    }

    @Override
    String usage() {
        return "--start TIME --landing DIRECTORY --out DIRECTORY [--mode upsert|full|backfill]"
                + " [--skip-validation]";
    }

    @Override
    void run() throws IOException, BadData {
        mode = choice("--mode", "upsert", "full", "backfill");
        brief = mode.equals("backfill");
        if (!brief)
            log("Bronze ingestion starting: " + value("--start") + ", " + mode);
        String all = ingest(FLIGHTS) + ", " + ingest(WEATHER);
        log(brief ? "Ingested " + value("--start") + ": " + all : "Bronze stage complete!");
    }

    /** Ingests one table; returns how many rows there are now, in words. */
    private String ingest(Layout layout) throws IOException, BadData {
        Place file = place("--out").resolve(layout.name + ".csv");
        String header = header(layout);
        TreeMap<String, String> lines = new TreeMap<>();
        if (mode.equals("upsert"))
            lines = earlier(file, header, layout.key);
        int before = lines.size(), added = 0, changed = 0, duplicates = 0, rejected = 0;

        Csv landed = Csv.readLoosely(place("--landing").resolve(layout.name + ".csv"));
        int[] from = new int[layout.columns.length];
        for (int c = 0; c < from.length; c++)
            from[c] = landed.column(layout.columns[c].landed);
        TreeMap<String, String> seen = new TreeMap<>();
        for (int i = 0; i < landed.rows.size(); i++) {
            String line;
            try {
                line = typed(layout, landed, from, i);
            } catch (BadData e) {
                if (!given("--skip-validation"))
                    throw e;
                rejected++;
                continue;
            }
            if (seen.put(key(line, layout.key), line) != null)
                duplicates++;
        }
        for (String key : seen.keySet()) {
            String old = lines.put(key, seen.get(key));
            if (old == null)
                added++;
            else if (!old.equals(seen.get(key)))
                changed++;
        }
        file.write(Csv.text(header, lines.values()));

        if (!brief)
            log("Loaded " + landed.rows.size() + " " + layout.rows + ": " + added + " new, "
                    + changed + " changed, " + (before - changed) + " as they were, "
                    + duplicates + " duplicates");
        if (rejected > 0)
            log("Left out " + rejected + " " + layout.rows + " that don't parse");
        return lines.size() + " " + layout.rows;
    }

    private static String header(Layout layout) {
        StringBuilder header = new StringBuilder();
        for (Column column : layout.columns)
            header.append(header.length() == 0 ? "" : ",").append(column.name);
        return header.toString();
    }

    /** What an earlier run has left; nothing if its columns were others. */
    private static TreeMap<String, String> earlier(Place file, String header, int key)
            throws IOException {
        TreeMap<String, String> lines = new TreeMap<>();
        if (!file.exists())
            return lines;
        for (String line : file.lines())
            lines.put(key(line, key), line);
        return lines.remove(key(header, key), header) ? lines : new TreeMap<>();
    }

    /** The first fields of a line, numbers set to one width so that they sort. */
    private static String key(String line, int fields) {
        StringBuilder key = new StringBuilder();
        String[] field = Csv.split(line);
        for (int i = 0; i < fields; i++)
            key.append("     ", 0, Math.max(0, 5 - field[i].length())).append(field[i]).append(',');
        return key.toString();
    }

    /** A landed row as a line of ours; `from` says in which field each column lies. */
    private String typed(Layout layout, Csv landed, int[] from, int row) throws BadData {
        if (!landed.isWhole(row))
            throw new BadData(landed.where(row) + ": not as many fields as the header has");
        StringBuilder line = new StringBuilder();
        for (int c = 0; c < from.length; c++) {
            Column column = layout.columns[c];
            String text = landed.rows.get(row)[from[c]];
            String value = text.equals("NA") ? "" : text;
            if (value.isEmpty() && column.required)
                throw new BadData(landed.where(row) + ": " + column.landed + " is missing");
            try {
                if (column.type == Type.WHOLE && !value.isEmpty())
                    value = String.valueOf(Integer.parseInt(value));
                else if (column.type == Type.DECIMAL && !value.isEmpty())
                    value = decimal(value);
            } catch (NumberFormatException e) {
                throw new BadData(landed.where(row) + ": " + column.landed + " is \"" + text
                        + "\", not a number");
            }
            line.append(c == 0 ? "" : ",").append(value);
        }
        if (!line.toString().startsWith(value("--start") + ","))
            throw new BadData(landed.where(row) + ": not of the hour " + value("--start"));
        return line.toString();
    }

    /** Two decimals at most: 10.357019999999999 is what a conversion from knots left of 10.36. */
    private static String decimal(String value) {
        BigDecimal number = new BigDecimal(value).setScale(2, RoundingMode.HALF_UP);
        return number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
    }
}
