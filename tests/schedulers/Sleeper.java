import java.nio.file.Files;
import java.nio.file.Path;

/** A job that goes on until it is ended. */
public final class Sleeper {
    private Sleeper() {
    }

    public static void main(String[] args) throws Exception {
        System.out.println("the JVM is up");
        Files.writeString(Path.of("jvm"), "the JVM is up\n");
        Thread.sleep(600_000);
    }
}
