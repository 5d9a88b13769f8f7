package flights;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.GZIPInputStream;

/**
 * Plays the part of whoever delivers the data: no stage, but a tool for the demonstration. Splits
 * DATA/{flights,weather}.csv.gz into ROOT/landing/dt=YYYY-MM-DD/hr=HH, an hour (of UTC) a
 * directory, and copies the dimensions to ROOT/dims. `_DONE` is written last and says what was
 * delivered. What has landed already and is the same is not touched.
 */
public final class Landing extends Job {
    private static final Instant FIRST = Instant.parse("2013-03-01T05:00:00Z");
    private static final Instant END = Instant.parse("2013-03-15T04:00:00Z");
    private static final String[] DIMENSIONS = { "airlines", "airports", "planes" };

    public static void main(String[] args) {
        new Landing().main(args, new String[] { "--data!", "--root!", "--from", "--until" },
                new String[] {});
    }

    @Override
    String usage() {
        return "--data DIRECTORY --root DIRECTORY [--from TIME] [--until TIME]"
                + "   (hours that begin at TIME or later, and are over by TIME)";
    }

    @Override
    void run() throws IOException, BadData {
        Place root = place("--root");
        Instant from = time("--from", FIRST), until = time("--until", END);
        Table flights = new Table(path("--data"), "flights");
        Table weather = new Table(path("--data"), "weather");
        int landed = 0, same = 0;

        for (Instant hour = FIRST; !hour.plus(1, ChronoUnit.HOURS).isAfter(until);
                hour = hour.plus(1, ChronoUnit.HOURS)) {
            if (hour.isBefore(from))
                continue;
            String time = hour.toString();
            Place directory = root.resolve("landing/dt=" + time.substring(0, 10) + "/hr="
                    + time.substring(11, 13));
            if (deliver(directory, new String[] { "flights", "weather" },
                    new String[] { flights.text(time), weather.text(time) }))
                landed++;
            else
                same++;
        }
        String[] texts = new String[DIMENSIONS.length];
        for (int i = 0; i < texts.length; i++)
            texts[i] = new Table(path("--data"), DIMENSIONS[i]).text();
        boolean dims = deliver(root.resolve("dims"), DIMENSIONS, texts);
        log("Hours landed: " + landed + " new, " + same + " as they were"
                + (dims ? "; dimensions landed" : ""));
    }

    private Instant time(String option, Instant otherwise) {
        if (!given(option))
            return otherwise;
        String text = value(option);
        try {
            Instant time = Instant.parse(text.length() == 16 ? text + ":00Z" : text);
            return time.isBefore(FIRST) ? FIRST : time.isAfter(END) ? END : time;
        } catch (DateTimeException e) {
            throw new Usage(option + " is \"" + text + "\", not like 2013-03-08T14:00:00Z");
        }
    }

    /** Writes the tables and then `_DONE`; false if all of it was there already. */
    private static boolean deliver(Place directory, String[] names, String[] texts)
            throws IOException {
        Place done = directory.resolve("_DONE");
        StringBuilder summary = new StringBuilder();
        boolean same = true;

        for (int i = 0; i < names.length; i++) {
            Place file = directory.resolve(names[i] + ".csv");
            CRC32 crc = new CRC32();
            crc.update(texts[i].getBytes(StandardCharsets.UTF_8));
            summary.append(names[i] + ".csv rows " + (texts[i].lines().count() - 1) + " crc32 "
                    + Long.toHexString(crc.getValue()) + "\n");
            same = same && isThere(file, texts[i]);
        }
        if (same && isThere(done, summary.toString()))
            return false;

        done.delete();
        for (int i = 0; i < names.length; i++)
            directory.resolve(names[i] + ".csv").write(texts[i]);
        done.write(summary.toString());
        return true;
    }

    private static boolean isThere(Place file, String text) throws IOException {
        return file.exists() && file.text().equals(text);
    }

    /** One of the delivered files, with its lines by hour if it has a time_hour. */
    private static final class Table {
        private final String header;
        private final List<String> rows;
        private final Map<String, List<String>> hours = new HashMap<>();

        Table(Path data, String name) throws IOException, BadData {
            Path file = data.resolve(name + ".csv.gz");
            List<String> lines;
            try (BufferedReader reader = new BufferedReader(new InputStreamReader(
                    new GZIPInputStream(Files.newInputStream(file)), StandardCharsets.UTF_8))) {
                lines = reader.lines().toList();
            }
            if (lines.isEmpty())
                throw new BadData(file + ": empty");
            header = lines.get(0);
            rows = lines.subList(1, lines.size());
            if (!header.endsWith(",time_hour"))
                return;
            for (String row : rows) {
                String hour = row.substring(row.lastIndexOf(',') + 1);
                hours.computeIfAbsent(hour, h -> new ArrayList<>()).add(row);
            }
        }

        String text() {
            return Csv.text(header, rows);
        }

        String text(String hour) {
            return Csv.text(header, hours.getOrDefault(hour, List.of()));
        }
    }
}
