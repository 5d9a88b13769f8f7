/*
 * Brings a store of local files to HDFS: receipts become what they are there, an attribute of an
 * empty file; all else is copied.
 *
 *   java -cp CONF:JARS/* Load.java FROM TO THREADS      TO: a path on fs.defaultFS
 *
 * A client of the NameNode's RPC in one JVM with many threads: ten years of markers take minutes,
 * where as many attempts over WebHDFS would take hours. No DataNode is asked for an empty file.
 */
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;

public class Load {
    private static final String MARKER = "_SUCCESS";

    private static void load(FileSystem fs, Path from, Path file, String to) throws Exception {
        var target = new org.apache.hadoop.fs.Path(to + "/" + from.relativize(file));
        boolean marker = file.getFileName().toString().equals(MARKER);
        byte[] bytes = Files.readAllBytes(file);

        try (var out = fs.create(target, false)) {
            if (!marker)
                out.write(bytes);
        }
        if (marker)
            fs.setXAttr(target, "user.stagegraph", bytes);
    }

    public static void main(String[] args) throws Exception {
        Path from = Path.of(args[0]);
        int threads = Integer.parseInt(args[2]);
        var conf = new Configuration();
        List<Path> files;

        try (var walk = Files.walk(from)) {
            files = walk.filter(Files::isRegularFile).sorted().collect(Collectors.toList());
        }
        var todo = new ConcurrentLinkedQueue<>(files);
        var failed = new AtomicLong();
        var workers = new Thread[threads];
        for (int i = 0; i < threads; i++) {
            workers[i] = new Thread(() -> {
                try (var fs = FileSystem.newInstance(conf)) {
                    for (Path file; failed.get() == 0 && (file = todo.poll()) != null;)
                        load(fs, from, file, args[1]);
                } catch (Exception e) {
                    e.printStackTrace();
                    failed.incrementAndGet();
                }
            });
            workers[i].start();
        }
        for (Thread w : workers)
            w.join();
        if (failed.get() != 0)
            System.exit(1);
        System.out.println(files.size() + " files");
    }
}
