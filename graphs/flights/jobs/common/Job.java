package flights;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.Map;

/**
 * What the programs share: options, log lines with a time, and exit statuses. 0 is success, 1 an
 * input or output error, 2 wrong usage, 3 bad data. An error is one line on standard error.
 *
 * The jobs avoid what makes a JVM start slowly (lambdas, regular expressions, String.format): an
 * hour's work is milliseconds, so the start is most of what a node costs.
 */
abstract class Job {
    /** Wrong usage: exit status 2. */
    static final class Usage extends RuntimeException {
        private static final long serialVersionUID = 1;

        Usage(String message) {
            super(message);
        }
    }

    private final Map<String, String> options = new HashMap<>();

    abstract String usage();

    abstract void run() throws IOException, BadData;

    /**
     * Reads the options and runs the job. Every name in `valued` takes a value and is required if
     * it ends in `!`; every name in `flags` takes none.
     */
    final void main(String[] args, String[] valued, String[] flags) {
        String name = getClass().getName();
        int status = 0;
        try {
            read(args, valued, flags);
            run();
        } catch (Usage e) {
            System.err.println(name + ": " + e.getMessage() + "; usage: " + name + " " + usage());
            status = 2;
        } catch (BadData e) {
            System.err.println(name + ": bad data: " + e.getMessage());
            status = 3;
        } catch (NoSuchFileException e) {
            System.err.println(name + ": " + e.getFile() + ": no such file or directory");
            status = 1;
        } catch (IOException | UncheckedIOException e) {
            System.err.println(name + ": " + e);
            status = 1;
        }
        System.out.flush();
        System.exit(status);
    }

    private void read(String[] args, String[] valued, String[] flags) {
        for (int i = 0; i < args.length; i++) {
            String arg = args[i];
            if (has(flags, arg)) {
                options.put(arg, "");
            } else if (has(valued, arg) || has(valued, arg + "!")) {
                if (++i == args.length)
                    throw new Usage(arg + " needs a value");
                options.put(arg, args[i]);
            } else {
                throw new Usage("unknown option " + arg);
            }
        }
        for (String name : valued) {
            String bare = name.endsWith("!") ? name.substring(0, name.length() - 1) : name;
            if (!bare.equals(name) && !options.containsKey(bare))
                throw new Usage(bare + " is missing");
        }
    }

    private static boolean has(String[] names, String name) {
        for (String n : names)
            if (n.equals(name))
                return true;
        return false;
    }

    final boolean given(String option) {
        return options.containsKey(option);
    }

    /** The option's value, null if it was not given. */
    final String value(String option) {
        return options.get(option);
    }

    /** A path of this machine. */
    final Path path(String option) {
        return Path.of(options.get(option));
    }

    /** A path or URI of the store. */
    final Place place(String option) {
        return Place.of(options.get(option));
    }

    final int whole(String option, int otherwise) {
        String value = options.getOrDefault(option, String.valueOf(otherwise));
        try {
            return Integer.parseInt(value);
        } catch (NumberFormatException e) {
            throw new Usage(option + " is \"" + value + "\", not a whole number");
        }
    }

    /** The option's value, which has to be one of `choices`; the first if it was not given. */
    final String choice(String option, String... choices) {
        String value = options.getOrDefault(option, choices[0]);
        if (!has(choices, value))
            throw new Usage(option + " is \"" + value + "\", not one of "
                    + String.join(" ", choices));
        return value;
    }

    static void log(String message) {
        String now = LocalDateTime.now().withNano(0).toString().replace('T', ' ');
        System.out.println("[" + (now.length() == 16 ? now + ":00" : now) + "] " + message);
    }
}
