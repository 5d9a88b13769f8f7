package flights;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/**
 * A file or directory of the store, by its path or URI: here, or in HDFS. What is absent is a
 * NoSuchFileException.
 */
abstract class Place {
    /** `hdfs://...` and `webhdfs://...` are in HDFS, whose class is loaded for them alone. */
    static Place of(String uri) {
        if (uri.startsWith("hdfs://") || uri.startsWith("webhdfs://"))
            return new Hdfs(uri);
        return new Local(Path.of(uri.startsWith("file://") ? uri.substring(7) : uri));
    }

    abstract Place resolve(String name);

    abstract boolean exists() throws IOException;

    abstract String text() throws IOException;

    /** Writes a file so that whoever sees it sees all of it, and makes its directory. */
    abstract void write(String text) throws IOException;

    /** Absent is fine. */
    abstract void delete() throws IOException;

    final List<String> lines() throws IOException {
        return text().lines().toList();
    }

    private static final class Local extends Place {
        private final Path path;

        Local(Path path) {
            this.path = path;
        }

        @Override
        Place resolve(String name) {
            return new Local(path.resolve(name));
        }

        @Override
        boolean exists() {
            return Files.exists(path);
        }

        @Override
        String text() throws IOException {
            return Files.readString(path);
        }

        /** Under a name that readers skip, then renamed. Durability is the executor's. */
        @Override
        void write(String text) throws IOException {
            Path hidden = path.resolveSibling("_" + path.getFileName() + ".tmp");
            Files.createDirectories(path.getParent());
            Files.writeString(hidden, text);
            Files.move(hidden, path, StandardCopyOption.ATOMIC_MOVE);
        }

        @Override
        void delete() throws IOException {
            Files.deleteIfExists(path);
        }

        @Override
        public String toString() {
            return path.toString();
        }
    }
}
