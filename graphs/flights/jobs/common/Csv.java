package flights;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;

/**
 * A table as these jobs keep it: a header line, then rows with as many fields, commas between, no
 * quotes (no name in the data needs them), a newline after each line.
 */
final class Csv {
    final Place file;
    final String header;
    final List<String[]> rows = new ArrayList<>();
    private final String[] columns;

    private Csv(Place file, String header) {
        this.file = file;
        this.header = header;
        this.columns = split(header);
    }

    /** Reads a file; rows of another width than the header's are bad data. */
    static Csv read(Place file) throws IOException, BadData {
        Csv table = readLoosely(file);
        for (int i = 0; i < table.rows.size(); i++)
            if (!table.isWhole(i))
                throw new BadData(table.where(i) + ": " + table.rows.get(i).length
                        + " fields instead of " + table.columns.length);
        return table;
    }

    /** Reads a file, and leaves it to the caller to ask whether a row is whole. */
    static Csv readLoosely(Place file) throws IOException, BadData {
        List<String> lines = file.lines();
        if (lines.isEmpty())
            throw new BadData(file + ": empty, not even a header");
        Csv table = new Csv(file, lines.get(0));
        for (String line : lines.subList(1, lines.size()))
            table.rows.add(split(line));
        return table;
    }

    boolean isWhole(int row) {
        return rows.get(row).length == columns.length;
    }

    /** `file:line` of a row, for messages. */
    String where(int row) {
        return file + ":" + (row + 2);
    }

    /** The index of a column. */
    int column(String name) throws BadData {
        int i = Arrays.asList(columns).indexOf(name);
        if (i < 0)
            throw new BadData(file + ": no column " + name);
        return i;
    }

    static String[] split(String line) {
        List<String> fields = new ArrayList<>();
        int from = 0;
        for (int comma = line.indexOf(','); comma >= 0; comma = line.indexOf(',', from)) {
            fields.add(line.substring(from, comma));
            from = comma + 1;
        }
        fields.add(line.substring(from));
        return fields.toArray(new String[0]);
    }

    static String text(String header, Collection<String> lines) {
        StringBuilder text = new StringBuilder(header).append('\n');
        for (String line : lines)
            text.append(line).append('\n');
        return text.toString();
    }
}
